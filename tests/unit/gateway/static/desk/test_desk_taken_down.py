"""taken-down.js: what of a slot's history is still there."""

from __future__ import annotations

from tests.support.desk_modules import called

SAVED = {"id": "save", "kind": "request", "state": "ready"}
DOWN = {"id": "down", "kind": "withdrawal", "state": "withdrawn"}
ASKED = {"id": "asked", "kind": "withdrawal", "state": "queued"}
OPENED = {"id": "opened", "kind": "restoration", "state": "restored"}
AGAIN = {"id": "again", "kind": "request", "state": "ready"}


def there(*history: dict[str, str]) -> list[str]:
    """Return the ids of what is still there of a history, the newest first."""
    (left,) = called("taken-down.js", [("sinceTakenDown", [list(history)])])
    return [each["id"] for each in left]


def test_pictures_of_before_a_take_down_are_gone() -> None:
    """Also once the slot is open again; what was painted since is there."""
    assert there(DOWN, SAVED) == []
    assert there(AGAIN, OPENED, DOWN, SAVED) == ["again", "opened"]


def test_pictures_are_there_until_they_are_taken_down() -> None:
    """A take-down that is only asked for has deleted nothing yet."""
    assert there(AGAIN, SAVED) == ["again", "save"]
    assert there(ASKED, SAVED) == ["asked", "save"]
