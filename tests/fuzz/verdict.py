"""What became of each record: one dead letter, or one outcome and none; everything else is a problem."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from consumer.kafka.batches import HEADERS, RECORD_BYTES
from schemas import Reason, names
from schemas.salvage import salvage
from tests.fuzz.case import Expect
from tests.fuzz.publisher import Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiokafka.structs import ConsumerRecord

    from tests.fuzz.case import Case

OURS = frozenset({Reason.INTERNAL, Reason.ANNOUNCEMENT_REFUSED})
"""Reasons that a malformed record must never be given: they are our failures."""


TAKEN = frozenset(
    {
        *(names.IMAGE_READY, names.IMAGE_SUPERSEDED, names.IMAGE_EXPIRED),
        *(names.IMAGE_DECLINED, names.IMAGE_WITHDRAWN),
    }
)
"""Outcomes of a record that was taken as valid: many here ask for one article, in revisions drawn by chance."""


class Verdict(StrEnum):
    """What became of a record."""

    READY = "ready"
    REFUSED = "refused"
    WRONG = "wrong"


@dataclass
class Findings:
    """Counts by kind and verdict, and a sentence for everything that is not as it has to be."""

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    problems: list[str] = field(default_factory=list)

    def note(self, case: Case, place: Place, verdict: Verdict, problem: str = "") -> None:
        """Take note of one record."""
        self.counts[case.kind][verdict] += 1
        if problem:
            raw = case.raw
            about = f"key {raw.key!r:.60}, headers {raw.headers!r:.300}, value {raw.value!r:.300}"
            self.problems.append(f"#{case.number} ({case.kind}) at {tuple(place)}: {problem}; {about}")


Letters = dict[Place, list["ConsumerRecord[bytes, bytes]"]]


def letters_by_origin(records: Sequence[ConsumerRecord[bytes, bytes]], topic: str) -> Letters:
    """Sort dead letters by the coordinates that their own headers tell: the last of a name is the worker's."""
    found: Letters = defaultdict(list)
    for record in records:
        told = {name: value for name, value in record.headers if name.startswith("leadart-")}
        assert told["leadart-topic"] == topic.encode(), told
        found[Place(int(told["leadart-partition"]), int(told["leadart-offset"]))].append(record)
    return found


def judge(
    places: Mapping[Place, Case],
    letters: Letters,
    outcomes: Sequence[Mapping[str, Any]],
    topic: str,
) -> Findings:
    """Match every record with its dead letters and outcomes."""
    findings = Findings()
    told: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for outcome in outcomes:
        told[outcome["ce"]["causationid"]].append(outcome)
    for place, case in places.items():
        headers = [(name.decode("utf-8", "backslashreplace"), value) for name, value in case.raw.headers]
        known = salvage(case.raw.key, headers, case.raw.value)
        coordinates = f"{topic}:{place.partition}:{place.offset}"
        asked = coordinates if known.request_id is None or _is_not_read(case) else known.request_id
        verdict, problem = _judged(
            case, letters.get(place, []), told.pop(asked, []), article_known=known.article_id is not None
        )
        findings.note(case, place, verdict, problem)
    findings.problems += [f"an outcome that nobody asked for: {asked!r:.100}" for asked in told]
    findings.problems += [f"a dead letter of nothing: {place}" for place in letters if place not in places]
    return findings


def _is_not_read(case: Case) -> bool:
    """Return whether the record is beyond what is read: only its key is known then."""
    raw = case.raw
    texts = sum(len(name) + len(value or b"") for name, value in raw.headers)
    return len(raw.headers) > HEADERS or len(raw.value or b"") + texts > RECORD_BYTES


def _judged(
    case: Case,
    letters: Sequence[ConsumerRecord[bytes, bytes]],
    outcomes: Sequence[Mapping[str, Any]],
    *,
    article_known: bool,
) -> tuple[Verdict, str]:
    types = [outcome["ce"]["type"] for outcome in outcomes]
    if not letters and len(types) == 1 and types[0] in TAKEN:
        return Verdict.READY, "refusal expected" if case.raw.expect is Expect.REFUSED else ""
    if len(letters) == 1 and types == [names.IMAGE_FAILED] * article_known:
        expected = case.raw.expect is not Expect.READY
        return Verdict.REFUSED, _flaws(case, letters[0]) if expected else f"pictures expected: {_reason(letters[0])}"
    return Verdict.WRONG, f"{len(letters)} dead letters and the outcomes {types}"


def _reason(letter: ConsumerRecord[bytes, bytes]) -> str:
    told = dict(letter.headers)
    return f"{told['leadart-reason']!r} {told['leadart-message']!r}"


def _flaws(case: Case, letter: ConsumerRecord[bytes, bytes]) -> str:
    """Say how a dead letter differs from the record that it keeps; nothing if it does not."""
    raw, told = case.raw, dict(letter.headers)
    if told["leadart-reason"].decode() in OURS:
        return f"taken for a failure of ours: {_reason(letter)}"
    message = told["leadart-message"].decode()
    if not message.isprintable():
        return f"its message repeats what came from outside: {message!r:.200}"
    if "leadart-omitted" in told:
        return "" if len(raw.value or b"") > 900_000 or _is_not_read(case) else "kept without its value"
    headers = tuple((name.decode("utf-8", "backslashreplace"), value) for name, value in raw.headers)
    value = None if told.get("leadart-null-value") == b"true" else letter.value
    if (letter.key, value, letter.headers[: len(headers)]) != (raw.key, raw.value, headers):
        return "not kept as it came"
    return ""
