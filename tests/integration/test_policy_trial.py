"""`leadart policy try` on Apache Kafka: what a policy would have changed about the requests of the topics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from consumer.delivery.ports import OutgoingRecord
from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from consumer.kafka.topics import apply
from schemas import names
from tests.support.harness import Site
from tests.support.lanes import asking, put

POLICY = """\
label = "tried"
[[rules]]
name = "war"
when.style = ["anime"]
never = true
message = "No pictures of war."
[[rules]]
name = "sources"
when.source = ["/cms/test"]
variants = 3
"""


@pytest.fixture(name="site")
async def _site(kafka: KafkaServer, s3: S3Server) -> Site:
    site = Site.fresh(kafka, s3, TOPICS__PARTITIONS="2")
    await apply(site.settings, None)
    return site


def tried(site: Site, *arguments: str) -> Any:
    done = site.run("policy", "try", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


async def test_past_requests_show_what_would_change(site: Site, tmp_path: Path) -> None:
    """Both lanes that a CMS and replays write to are read; what is no request is skipped, and nothing is written."""
    file = tmp_path / "policy.toml"
    file.write_text(POLICY, encoding="utf-8")
    saved = [asking(site, f"a-{number}", partition=number % 2) for number in range(8)]
    war = [asking(site, f"w-{number}", partition=number % 2, style={"preset": "anime"}) for number in range(3)]
    broken = OutgoingRecord(site.topic(names.REQUESTED), 0, b"x", b"{}", ())
    backfill = OutgoingRecord(site.topic(names.BACKFILL), 1, war[0].key, war[0].value, war[0].headers)
    await put(site, [*saved, *war, broken, backfill])
    facts = tried(site, str(file), "--since", "7d")

    assert facts["requests"] == 12
    assert facts["tried"]["rules"] == {"sources": 8, "war": 4}
    assert (facts["tried"]["pictures"], facts["in_force"]["pictures"]) == (24, 12)
    by_effect = {change["to"]: change for change in facts["changes"]}
    assert by_effect["declined by war"]["requests"] == 4
    assert sorted(by_effect["declined by war"]["articles"]) == ["w-0", "w-1", "w-2"]
    assert by_effect["3 variants by sources"]["requests"] == 8
    shown = site.run("policy", "try", str(file))
    assert "12 requests would end otherwise" in shown.stdout

    in_force = Site({**site.env, "LEADART_POLICY__FILE": str(file)})
    assert tried(in_force, str(file))["changed"] == 0
    assert tried(in_force) == facts
    assert "LEADART_POLICY__FILE is not set here" in shown.stdout
    assert "LEADART_POLICY__FILE is not set here" not in in_force.run("policy", "try", str(file)).stdout
    assert tried(site, str(file), "--since", "0:99,1:99")["requests"] == 0
