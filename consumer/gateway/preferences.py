"""What editors took last, by section: kept on a compacted topic, read whole into memory by every gateway."""

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from consumer.gateway.access.principal import Principal
from consumer.gateway.bus_link import follow_topics
from consumer.gateway.bus_publisher import LinkedPublisher
from consumer.gateway.problems import Problem
from consumer.jobs import Record
from consumer.kafka.cms_client import CmsSubscriber
from consumer.settings import Settings
from schemas import ContractError, names
from schemas.jsontext import parse_json

MOST_BYTES = 4_096
"""Of one section's values, as JSON."""
MOST_SECTIONS = 200
"""Of one editor; beyond it those that were written first are let go."""
MOST_EDITORS = 20_000
"""Beyond it those who wrote nothing for longest are let go."""
SECTION_CHARACTERS = 100

Values = Mapping[str, Any]
_Editor = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Written:
    values: Values
    time_ms: int
    offset: int


class Preferences:
    """The preferences of all editors. Of two values for a section the one that was written last counts."""

    def __init__(self, publisher: LinkedPublisher) -> None:
        self.link = publisher.link
        self._publisher = publisher
        self._editors: OrderedDict[_Editor, dict[str, _Written]] = OrderedDict()

    def of(self, principal: Principal) -> dict[str, Any]:
        """Return the caller's own, for JSON: by section, and what was written last in any."""
        sections = self._editors.get((principal.source, principal.name), {})
        newest = max(sections.values(), key=lambda one: (one.time_ms, one.offset), default=None)
        kept = {section: one.values for section, one in sections.items() if one.values}
        return {"sections": kept, "last": newest.values if newest else {}}

    async def put(self, principal: Principal, section: str, values: Values) -> None:
        """Keep the caller's values for a section, once all in-sync replicas have them. Raises `Problem`."""
        try:
            encoded = json.dumps(values, allow_nan=False, separators=(",", ":")).encode()
            parse_json(encoded)  # as every gateway will
        except ContractError as error:
            raise Problem(422, "invalid_value", f"`values` cannot be kept: {error.message}", field="values") from None
        except ValueError:
            raise Problem(422, "invalid_value", "`values` has a number that is none in JSON.", field="values") from None
        if len(encoded) > MOST_BYTES:
            raise Problem(422, "too_large", f"`values` has {len(encoded)} bytes; at most {MOST_BYTES}.", field="values")
        key = json.dumps([principal.source, principal.name, section], separators=(",", ":"))
        self.take(await self._publisher.put(names.PREFERENCES, key.encode(), encoded if values else None))

    def take(self, record: Record) -> None:
        """Take a record of the topic; what is not a gateway's is passed by."""
        key, values = _json(record.key), _json(record.value) if record.value else {}
        if not (isinstance(key, list) and len(key) == 3 and all(isinstance(part, str) for part in key)):
            return
        if not isinstance(values, dict):
            return
        source, editor, section = key
        sections = self._editors.setdefault((source, editor), {})
        known = sections.get(section)
        if known is None or known.offset < record.offset:
            sections[section] = _Written(values, record.timestamp_ms, record.offset)
            self._editors.move_to_end((source, editor))
        if len(sections) > MOST_SECTIONS:
            del sections[min(sections, key=lambda name: sections[name].time_ms)]
        if len(self._editors) > MOST_EDITORS:
            self._editors.popitem(last=False)


class PreferencesFeed:
    """Reads the topic of preferences."""

    def __init__(self, settings: Settings, preferences: Preferences) -> None:
        self._settings = settings
        self._preferences = preferences

    async def run(self) -> None:
        """Read the topic from its start and on, until cancelled. Raises `Fatal`."""
        await follow_topics(self._settings, self._preferences.link, [names.PREFERENCES], self)

    async def begin(self, subscriber: CmsSubscriber) -> None:
        """Begin at the start: the topic is compacted."""

    async def take(self, records: Sequence[Record]) -> None:
        """Take what editors took."""
        for record in records:
            self._preferences.take(record)

    async def settle(self) -> None:
        """Nothing is to be done."""


def _json(content: bytes | None) -> object:
    try:
        return parse_json(content or b"")
    except ContractError:
        return None
