"""The run: waves of records through one real worker, each wave waited for, everything judged at the end."""

from __future__ import annotations

import json
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import psutil

from schemas import names
from tests.fuzz.corpus import VALID
from tests.fuzz.exposure import object_problems, worker_problems
from tests.fuzz.publisher import open_publisher
from tests.fuzz.verdict import TAKEN, Findings, judge, letters_by_origin
from tests.support.harness import BOUND, cms, workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aiokafka.structs import ConsumerRecord

    from tests.fuzz.case import Case
    from tests.fuzz.publisher import Place, Publisher
    from tests.support.harness import Cms, Site, WorkerProcess

WAVE: Final = 500
"""Records published at once; the next wave begins when this one's valid requests have their pictures."""


@dataclass
class Report:
    """What a run found."""

    records: int = 0
    wave: int = WAVE
    seconds: float = 0.0
    findings: Findings = field(default_factory=Findings)
    waves: list[float] = field(default_factory=list)
    """Seconds from a wave's first record to the ready outcome of its last valid request."""
    reasons: Counter[str] = field(default_factory=Counter)
    megabytes: tuple[float, float] = (0.0, 0.0)
    """The worker's resident memory before and after."""

    @property
    def problems(self) -> list[str]:
        """Everything that is not as it has to be; empty after a good run."""
        return self.findings.problems

    def summary(self) -> dict[str, Any]:
        """Return the run as plain data."""
        totals: Counter[str] = sum(self.findings.counts.values(), Counter())
        return {
            "records": self.records,
            "seconds": round(self.seconds, 1),
            "records_per_second": round(self.records / self.seconds, 1),
            "verdicts": dict(totals),
            "kinds": {kind: dict(counts) for kind, counts in sorted(self.findings.counts.items())},
            "reasons": dict(self.reasons.most_common()),
            "wave_seconds": {
                "median": round(median(self.waves), 2),
                "longest": round(max(self.waves), 2),
                "first_quarter": round(median(_ends(self.waves)[0]), 2),
                "last_quarter": round(median(_ends(self.waves)[1]), 2),
            },
            "worker_megabytes": {"before": self.megabytes[0], "after": self.megabytes[1]},
            "problems": self.problems,
        }


class Ear:
    """Sorts what a desk hears as it comes, so that a long run does not read everything again and again."""

    def __init__(self, desk: Cms) -> None:
        self._desk = desk
        self._heard = 0
        self.outcomes: list[dict[str, Any]] = []
        self.letters: list[ConsumerRecord[bytes, bytes]] = []
        self.taken: set[str] = set()

    def passed(self) -> int:
        """Return how many records have an answer: a dead letter, or the outcome of a valid request."""
        self.listen()
        return len(self.letters) + len(self.taken)

    def listen(self) -> None:
        """Sort what came since the last time."""
        news, self._heard = self._desk.seen[self._heard :], len(self._desk.seen)
        for record in news:
            if record.topic == self._desk.site.topic(names.DEAD_LETTER):
                self.letters.append(record)
                continue
            told = json.loads(record.value or b"")
            told["ce"] = {name.removeprefix("ce_"): value.decode() for name, value in record.headers}
            self.outcomes.append(told)
            if told["ce"]["type"] in TAKEN:
                self.taken.add(told["request_id"])


async def fuzz(site: Site, folder: Path, cases: Sequence[Case], *, wave: int = WAVE) -> Report:
    """Send the cases through one worker at a prepared site and judge what came of them. Every wait is bounded."""
    report = Report(records=len(cases), wave=wave)
    topic, partitions = site.topic(names.REQUESTED), int(site.env["LEADART_TOPICS__PARTITIONS"])
    producing = {"bootstrap_servers": site.env["LEADART_KAFKA__BOOTSTRAP_SERVERS"]}
    with workers(site, folder) as (worker,):
        before, began = _megabytes(worker), time.monotonic()
        async with cms(site) as desk, open_publisher(producing, topic, partitions) as publisher:
            ear = Ear(desk)
            places: dict[Place, Case] = {}
            for batch in _waves(cases, wave):
                places |= await _wave(ear, desk, publisher, batch, report)
            with suppress(AssertionError):  # what is missing is told record by record
                await desk.until(lambda: ear.passed() >= len(cases))
            report.seconds = time.monotonic() - began
            await desk.settle()
            ear.listen()
        report.megabytes = (before, _megabytes(worker))
        report.findings = judge(places, letters_by_origin(ear.letters, topic), ear.outcomes, topic)
        report.reasons.update(dict(letter.headers)["leadart-reason"].decode() for letter in ear.letters)
        report.problems.extend(worker_problems(worker))
    report.problems.extend(await object_problems(site.settings.storage))
    return report


async def _wave(ear: Ear, desk: Cms, publisher: Publisher, cases: Sequence[Case], report: Report) -> dict[Place, Case]:
    began = time.monotonic()
    places = await publisher.publish(cases)
    due = {case.raw.event_id for case in cases if case.kind == VALID}

    def answered() -> bool:
        ear.listen()
        return due <= ear.taken

    await desk.until(answered, BOUND)
    report.waves.append(time.monotonic() - began)
    return places


def _waves(cases: Sequence[Case], size: int) -> Iterator[Sequence[Case]]:
    for first in range(0, len(cases), size):
        yield cases[first : first + size]


def _ends(waves: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    quarter = max(1, len(waves) // 4)
    return waves[:quarter], waves[-quarter:]


def _megabytes(worker: WorkerProcess) -> float:
    return round(psutil.Process(worker.process.pid).memory_info().rss / 1e6, 1)
