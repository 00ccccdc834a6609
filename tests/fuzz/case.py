"""One record of the fuzz run, and the valid request that every mutation starts from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from random import Random
from typing import Any, Final, NamedTuple, Self

from schemas import names

SECRET: Final = "zq-secret"
"""In every free text: where it turns up in a log line or a metric, an unpublished story got out."""

RawHeaders = tuple[tuple[bytes, bytes | None], ...]


class Expect(StrEnum):
    """What has to become of a record; `EITHER` where the mutation alone does not tell."""

    READY = "ready"
    REFUSED = "refused"
    EITHER = "either"


class Codec(StrEnum):
    """How the batch that a record travels in is compressed."""

    NONE = "none"
    GZIP = "gzip"
    SNAPPY = "snappy"
    LZ4 = "lz4"
    ZSTD = "zstd"


@dataclass(frozen=True, slots=True)
class Raw:
    """A record as bytes, before it has a place in the run."""

    key: bytes | None
    value: bytes | None
    headers: RawHeaders
    expect: Expect = Expect.REFUSED
    codec: Codec | None = None
    """None: whatever the run chooses."""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A record of the run: the same seed and number always give the same one."""

    number: int
    kind: str
    raw: Raw
    codec: Codec


class Attribute(NamedTuple):
    """A header or, in a whole event, a member."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A request on its way to a record; mutations replace parts of it."""

    event_id: str
    data: Any
    key: bytes | None
    attributes: tuple[Attribute, ...]
    extra: RawHeaders = ()
    expect: Expect = Expect.READY
    members: tuple[tuple[str, Any], ...] = field(default=())
    """Further members of a whole event."""

    @classmethod
    def fresh(cls, dice: Random) -> Self:
        """Make a valid request of its own article; its event id is like no other's."""
        event_id = f"fuzz-{dice.getrandbits(64):016x}"
        article_id = f"article-{dice.randrange(500)}"
        attributes = {"specversion": "1.0", "id": event_id, "source": "/cms/fuzz", "type": names.IMAGE_REQUESTED}
        return cls(event_id, request(article_id, dice), article_id.encode(), _pairs(attributes))

    def tell(self, name: str, value: str) -> Draft:
        """Set one attribute."""
        kept = tuple(attribute for attribute in self.attributes if attribute.name != name)
        return replace(self, attributes=(*kept, Attribute(name, value)))

    def forget(self, name: str) -> Draft:
        """Leave one attribute out."""
        return replace(self, attributes=tuple(a for a in self.attributes if a.name != name), expect=Expect.REFUSED)

    def binary(self, value: bytes | None = None, content_type: bytes = b"application/json") -> Raw:
        """Write it in binary mode; `value` stands in for the data."""
        told = tuple((f"ce_{a.name}".encode(), encoded(a.value)) for a in self.attributes)
        headers = ((b"content-type", content_type), *told, *self.extra)
        data = dumped(self.data) if value is None else value
        return Raw(self.key, data, headers, self.expect, event_id=self.event_id)

    def structured(self) -> Raw:
        """Write the whole event as the value."""
        whole = {**dict(self.attributes), "data": self.data, **dict(self.members)}
        headers = ((b"content-type", b"application/cloudevents+json"), *self.extra)
        return Raw(self.key, dumped(whole), headers, self.expect, event_id=self.event_id)

    def either_mode(self, dice: Random) -> Raw:
        """Write it in one of the two modes."""
        return self.structured() if dice.random() < 0.4 else self.binary()


def request(article_id: str, dice: Random) -> dict[str, Any]:
    """Return a valid request that is cheap to paint; a few hundred recipes in all, so that most are found again."""
    return {
        "article": {
            "id": article_id,
            "revision": dice.randrange(1000),
            "headline": f"Storm over the harbour {SECRET} {dice.randrange(200)}",
            "summary": f"Ferries stay in port {SECRET}",
            "tags": [SECRET],
        },
        "brief": {"negative_prompt": SECRET},
        "output": {"width": 64, "height": 64},
        "generation": {"steps": 2},
        "priority": dice.choice(["interactive", "normal"]),
    }


class Doubled(dict[str, Any]):
    """An object that names one of its members twice, as JSON allows and parsers disagree about."""

    def __init__(self, members: dict[str, Any], again: Iterable[tuple[str, Any]]) -> None:
        super().__init__(members)
        self._again = tuple(again)

    def items(self) -> Any:
        """Return the members, then those that are repeated."""
        return [*super().items(), *self._again]


def dumped(data: Any) -> bytes:
    """Write JSON, and what only lenient writers call JSON: NaN, Infinity, half characters."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=True)
    return "".join(_escaped(c) if "\ud800" <= c <= "\udfff" else c for c in text).encode()


def encoded(text: str) -> bytes:
    """Encode a header's text; half characters become the bytes that broken writers send."""
    return text.encode("utf-8", "surrogatepass")


def _escaped(half: str) -> str:
    return f"\\u{ord(half):04x}"


def _pairs(attributes: dict[str, str]) -> tuple[Attribute, ...]:
    return tuple(Attribute(name, value) for name, value in attributes.items())
