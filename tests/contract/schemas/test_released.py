"""The current schemas against the released ones: whom would a deployment break?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonsubschema import isSubschema

import schemas
from schemas import names
from schemas.compatibility import judge_announcement, judge_request
from schemas.publish import event_schemas

RELEASED = {
    path.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((Path(schemas.__file__).parent / "released").glob("*.json"))
}
TODAY = {schema["$id"].rsplit("/", 1)[1]: schema for schema in event_schemas().values()}


def test_no_released_type_is_gone() -> None:
    """A released type stays published as long as anybody sends or reads it."""
    assert RELEASED.keys() <= TODAY.keys()
    assert RELEASED


@pytest.mark.parametrize("name", RELEASED)
def test_a_change_breaks_nobody(name: str) -> None:
    """Released publishers and subscribers continue to work while the workers are deployed."""
    judge = judge_request if RELEASED[name]["$id"] == names.dataschema(names.IMAGE_REQUESTED) else judge_announcement
    verdict = judge(RELEASED[name], TODAY[name], isSubschema)
    assert not verdict.breaking, f"{name}: {verdict.sentence}"
