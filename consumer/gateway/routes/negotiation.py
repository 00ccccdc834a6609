"""Which format of a picture suits a caller, by its `Accept` header."""

from collections.abc import Mapping, Sequence

_SMALLEST_FIRST = ("image/avif", "image/webp", "image/jpeg", "image/png")
_SAFEST_FIRST = ("image/jpeg", "image/png", "image/webp", "image/avif")


def preferred(media_types: Sequence[str], accept: str) -> str:
    """Return the best of some media types, of which there is at least one.

    Among those that are accepted equally: of what the caller names, the smallest files; of what it only covers with a
    wildcard, what every program can show. If it accepts none, it gets what every program can show.
    """
    ranges = _ranges(accept)
    named = [each for each in _ordered(media_types, _SMALLEST_FIRST) if ranges.get(each, 0) > 0]
    covered = [each for each in _ordered(media_types, _SAFEST_FIRST) if each not in ranges and _wildcard(ranges) > 0]
    best = max(named, key=lambda each: ranges[each], default=None)
    if best is not None and (not covered or ranges[best] >= _wildcard(ranges)):
        return best
    return covered[0] if covered else _ordered(media_types, _SAFEST_FIRST)[0]


def _ordered(media_types: Sequence[str], order: Sequence[str]) -> list[str]:
    return sorted(media_types, key=lambda each: order.index(each) if each in order else len(order))


def _wildcard(ranges: Mapping[str, float]) -> float:
    return ranges.get("image/*", ranges.get("*/*", 0.0))


def _ranges(accept: str) -> dict[str, float]:
    """Return the quality of each media range; one that cannot be read is taken for 1."""
    found: dict[str, float] = {}
    for part in accept.split(","):
        media_range, *parameters = (each.strip() for each in part.lower().split(";"))
        given = [each.removeprefix("q=") for each in parameters if each.startswith("q=")]
        found[media_range] = _quality(given[0]) if given else 1.0
    return found


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 1.0
