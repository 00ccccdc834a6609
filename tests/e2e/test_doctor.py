"""`leadart doctor` on real servers."""

from __future__ import annotations

import asyncio
import json

from aiokafka import AIOKafkaProducer

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from schemas import names
from tests.support.harness import Site
from tests.support.strangers import stray_consumer


def verdicts(site: Site) -> tuple[int, dict[str, set[str]]]:
    done = site.run("doctor", "--json")
    told: dict[str, set[str]] = {}
    for finding in json.loads(done.stdout):
        told.setdefault(finding["subject"], set()).add(finding["verdict"])
    return done.returncode, told


def test_a_prepared_site_passes_with_warnings(kafka: KafkaServer, s3: S3Server) -> None:
    """One broker and the swatch engine are warnings, not failures; everything else is in order."""
    status, told = verdicts(Site.fresh(kafka, s3).prepare())

    assert status == 0
    assert told["replication"] == {"warning"}
    assert told["engine"] == {"warning"}
    assert {subject for subject, found in told.items() if found == {"ok"}} >= {"styles", "store", "topics", "group"}


def test_what_is_missing_is_named(kafka: KafkaServer, s3: S3Server) -> None:
    """Without topics and bucket the doctor fails and says of each what mends it."""
    site = Site.fresh(kafka, s3)
    done = site.run("doctor")

    assert done.returncode == 1
    assert "leadart topics apply" in done.stdout
    assert "LEADART_STORAGE__BUCKET" in done.stdout.replace("\n", "")


def test_a_group_without_offsets_is_told_how_to_begin(kafka: KafkaServer, s3: S3Server) -> None:
    """Topics alone are not enough: the group has to be told where to begin."""
    site = Site.fresh(kafka, s3)
    assert site.run("topics", "apply").returncode == 0
    status, told = verdicts(site)

    assert status == 1
    assert told["group"] == {"failure"}


async def test_an_article_on_two_partitions_is_named(kafka: KafkaServer, s3: S3Server) -> None:
    """As when one publisher uses sarama's default partitioner and another Java's: a warning, with the rule."""
    site = Site.fresh(kafka, s3).prepare()
    servers = site.settings.kafka.bootstrap_servers
    async with AIOKafkaProducer(bootstrap_servers=servers) as producer:
        for partition in (0, 2):
            await producer.send_and_wait(site.topic(names.REQUESTED), b"{}", key=b"a-1042", partition=partition)
    done = site.run("doctor")

    assert done.returncode == 0
    assert "recent requests of 1 article(s) lie on several partitions, such as 'a-1042' on [0, 2]" in done.stdout
    assert "murmur2" in done.stdout


async def test_a_stranger_in_the_group_is_named(kafka: KafkaServer, s3: S3Server) -> None:
    """Client id, host and what it reads, before any worker meets it."""
    site = Site.fresh(kafka, s3).prepare()
    async with stray_consumer(site, enable_auto_commit=False):
        done = await asyncio.to_thread(site.run, "doctor")

    assert done.returncode == 1
    assert f"kafka-ui at 127.0.0.1 (reads {site.topic(names.REQUESTED)})" in done.stdout
