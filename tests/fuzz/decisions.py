"""What editors decide, broken in every way: choices, withdrawals, restorations, approvals, of articles of their own."""

from __future__ import annotations

import copy
from dataclasses import replace
from random import Random
from typing import Any, Final

from schemas import names
from tests.fuzz.case import SECRET, Draft, Expect, Raw
from tests.fuzz.fields import OTHER_TYPES, set_at
from tests.fuzz.texts import hostile

DIGEST: Final = "0" * 64
TYPES: Final = (names.IMAGE_CHOSEN, names.ARTICLE_WITHDRAWN, names.ARTICLE_RESTORED, names.IMAGE_APPROVED)
NO_ARTICLES: Final[tuple[Any, ...]] = (None, [], {}, "x", {"id": 7}, {"id": ""}, {"id": None}, {"ID": "a"})


def valid(dice: Random) -> Raw:
    """Decide as an editor does; a picture that nobody painted and a request that nobody holds are refused."""
    return _draft(dice, dice.choice([name for name in TYPES if name != names.ARTICLE_RESTORED])).either_mode(dice)


def broken(dice: Random) -> Raw:
    """Change one of a decision's fields. A restoration always loses its article: a valid one has no answer."""
    event_type = dice.choice(TYPES)
    draft = _draft(dice, event_type)
    if event_type == names.ARTICLE_RESTORED:
        data = {**draft.data, "article": copy.deepcopy(dice.choice(NO_ARTICLES))}
        return replace(draft, data=data, expect=Expect.REFUSED).either_mode(dice)
    path = dice.choice([(name,) for name in draft.data] + [("article", name) for name in draft.data["article"]])
    value = dice.choice([*OTHER_TYPES, f"{hostile(dice)} {SECRET}"])
    return replace(draft, data=set_at(draft.data, path, value), expect=Expect.EITHER).either_mode(dice)


def _draft(dice: Random, event_type: str) -> Draft:
    draft = Draft.fresh(dice).tell("type", event_type)
    article_id = f"desk-{draft.event_id}"  # a withdrawal has one outcome for each slot, so each has an article
    return replace(draft, key=article_id.encode(), data=_data(dice, event_type, article_id), expect=Expect.EITHER)


def _data(dice: Random, event_type: str, article_id: str) -> dict[str, Any]:
    seen = {"id": article_id, "revision": dice.randrange(1000)}
    whole = {"article": {"id": article_id}, "slot": dice.choice([None, "hero"]), "reason": SECRET}
    if event_type == names.IMAGE_CHOSEN:
        external = dice.random() < 0.5
        picture = None if external else {dice.choice(["sha256", "recipe"]): DIGEST}
        texts = {"alt": SECRET, "caption": SECRET, "chosen_by": SECRET}
        return {"article": seen, "slot": "hero", "picture": picture, "external": external, **texts}
    if event_type == names.IMAGE_APPROVED:
        return {"article": seen, "slot": "hero", "approved_by": SECRET}
    return whole
