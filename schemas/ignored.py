"""Name the fields of a request that the contract does not know, and what each may have been meant for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, lru_cache
from itertools import islice
from typing import Any, Final, get_args, get_origin

from pydantic import BaseModel

from schemas.event import shown

MOST_IGNORED: Final = 20
"""How many unknown fields are named; further ones are ignored all the same."""

_SHORTEST, _LONGEST = 4, 40
"""Names of these lengths are compared with similar ones: shorter ones resemble anything, longer ones nothing."""
_NEAR: Final = 0.75
"""Likeness, as difflib measures it, to a name that is known in the same object."""
_NEAR_ELSEWHERE: Final = 0.85


@dataclass(frozen=True, slots=True)
class Ignored:
    """Unknown fields as dotted paths, in the order of the document; `did_you_mean` has the nearest known ones."""

    ignored: tuple[str, ...] = ()
    did_you_mean: Mapping[str, str] = field(default_factory=dict)


NOTHING_IGNORED: Final = Ignored()


@dataclass(frozen=True, slots=True, eq=False)
class _Shape:
    """What an object may hold: `members` by name, and under any other name `each`."""

    members: Mapping[str, _Shape]
    each: _Shape | None = None


_LEAF: Final = _Shape({})


def unknown_fields(data: object, model: type[BaseModel]) -> Ignored:
    """Return what a request's data have beside the fields of `model`, at most `MOST_IGNORED`; null is absent.

    An unknown object is named, not what is in it. Never raises; names are shortened and in ASCII.
    """
    if not isinstance(data, dict):
        return NOTHING_IGNORED
    root = _shape(model)
    found = {
        _path((*place, name)): _nearest(root, shape, _path(place), name) if len(name) <= _LONGEST else None
        for place, shape, name in islice(_unknown(data, root, ()), MOST_IGNORED)
    }
    if not found:
        return NOTHING_IGNORED
    return Ignored(tuple(found), {path: near for path, near in found.items() if near is not None})


def _unknown(
    data: Mapping[str, Any], shape: _Shape, place: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], _Shape, str]]:
    """Yield each unknown name with where it stands: the names above it, and the shape of the object around it."""
    for name, value in data.items():
        if value is None:
            continue
        inner = shape.members.get(name, shape.each)
        if inner is None:
            yield place, shape, name
        elif inner is not _LEAF and isinstance(value, dict):
            yield from _unknown(value, inner, (*place, name))


def _path(names: tuple[str, ...]) -> str:
    return ".".join(shown(name) or '""' for name in names)


# Publishers send the same names again and again, and a comparison with all that is known takes a millisecond.
@lru_cache(maxsize=1024)
def _nearest(root: _Shape, around: _Shape, place: str, name: str) -> str | None:
    """Return the known field of that name elsewhere or in another spelling, else one of a similar name; None if none.

    `place` is the path of the object around it.
    """
    letters = _letters(name)
    here = {_letters(known): f"{place}.{known}".lstrip(".") for known in around.members}
    anywhere = _known(root)
    if letters in here or letters in anywhere or len(letters) < _SHORTEST:
        return here.get(letters) or (anywhere.get(letters) if len(letters) > 1 else None)
    if near := get_close_matches(letters, here, 1, _NEAR):
        return here[near[0]]
    near = get_close_matches(letters, anywhere, 1, _NEAR_ELSEWHERE)
    return anywhere[near[0]] if near else None


def _letters(name: str) -> str:
    """Return what snake_case, camelCase and kebab-case of one name share."""
    return "".join(filter(str.isalnum, name)).casefold()


@cache
def _known(root: _Shape) -> Mapping[str, str]:
    """Return all known paths by the letters of the whole path and of its last name."""
    paths = list(_paths(root, ""))
    ends = {_letters(path.rpartition(".")[2]): path for path in reversed(paths)}
    return {**ends, **{_letters(path): path for path in paths}}


def _paths(shape: _Shape, place: str) -> Iterator[str]:
    for name, inner in shape.members.items():
        yield place + name
        yield from _paths(inner, f"{place}{name}.")


@cache
def _shape(model: type[BaseModel]) -> _Shape:
    return _Shape({name: _within(info.annotation) for name, info in model.model_fields.items()})


def _within(annotation: Any) -> _Shape:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _shape(annotation)
    if get_origin(annotation) in {dict, Mapping}:
        return _Shape({}, each=_within(get_args(annotation)[1]))
    shapes = map(_within, get_args(annotation))
    return next((shape for shape in shapes if shape is not _LEAF), _LEAF)
