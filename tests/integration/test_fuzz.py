"""A thousand malformed records through the real intake; `python -m tests.fuzz` sends twelve thousand."""

from __future__ import annotations

from pathlib import Path

from consumer.dev.embedded.kafka import KafkaServer
from consumer.dev.embedded.s3 import S3Server
from tests.fuzz.corpus import KINDS, VALID, corpus
from tests.fuzz.run import fuzz
from tests.fuzz.verdict import Verdict
from tests.support.harness import Site

RECORDS = 1000


async def test_no_record_is_lost_doubled_or_harmful(kafka: KafkaServer, s3: S3Server, tmp_path: Path) -> None:
    """Each record gets one dead letter, or one outcome and none, and nothing of it gets out where it must not."""
    cases = list(corpus(RECORDS))
    report = await fuzz(Site.fresh(kafka, s3).prepare(), tmp_path, cases)

    assert report.problems == []
    assert {case.kind for case in cases} == {VALID, *KINDS}
    assert report.findings.counts[VALID] == {Verdict.READY: RECORDS // 50}
