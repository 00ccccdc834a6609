"""The field types of requests and outcomes, with their bounds."""

import re
from typing import Annotated, Final

from pydantic import AwareDatetime, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from schemas.sizes import ASPECT_PATTERN, SIDES, SIZE_BOUNDS

SAFE_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON reader represents exactly."""

MAX_VARIANTS: Final = 9

_HIDDEN: Final = (
    r"\u0000-\u001f\u007f-\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000"
    r"\ufdd0-\ufdef\ufeff\ufff0-\uffff"
)
_JOINERS: Final = r"\u200c\u200d"
_NEVER: Final = _HIDDEN.replace(r"\u2000-\u200f", r"\u2000-\u200b\u200e\u200f")
_VISIBLE: Final = rf"[^ {_HIDDEN}]"

ARTICLE_ID_PATTERN: Final = rf"^{_VISIBLE}([^{_NEVER}]*{_VISIBLE})?$"
"""Visible characters and, between them, plain spaces and zero-width joiners, with which Persian and Indic words are
spelled; the same in every regular expression dialect.

One exception: in Python and Java `$` also matches before a final newline, which a validator accepts and `read` rejects.
"""
ARTICLE_ID_PATTERN_WITHOUT_JOINERS: Final = rf"^{_VISIBLE}([^{_HIDDEN}]*{_VISIBLE})?$"
"""The pattern as first released."""
SLOT_PATTERN: Final = r"^[a-z0-9-]{1,40}$"
SET_PATTERN: Final = r"^[a-z][a-z0-9-]{0,39}$"
SHA256_PATTERN: Final = r"^[0-9a-f]{64}$"
LOCALE_PATTERN: Final = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"

PATTERNS_IN_WORDS: Final = {
    ARTICLE_ID_PATTERN: "visible characters and, between them, plain spaces and zero-width joiners",
    SLOT_PATTERN: "1 to 40 characters out of a-z, 0-9 and -",
    SET_PATTERN: "1 to 40 characters out of a-z, 0-9 and -, a letter first",
    SHA256_PATTERN: "a SHA-256 in lower-case hex, 64 characters",
    LOCALE_PATTERN: "a language tag such as en, en-GB or zh-Hans",
    ASPECT_PATTERN: "width to height in whole numbers, such as 16:9",
}
"""What error messages say instead of the regular expression."""

_MISPLACED: Final = re.compile(rf"[{_NEVER}]|^[ {_JOINERS}]|[ {_JOINERS}]\Z")


def misplaced_character(article_id: str) -> str | None:
    """Return where an article id has its first character that it cannot have there; None if nowhere."""
    found = _MISPLACED.search(article_id)
    return None if found is None else f"U+{ord(found[0]):04X} is at character {found.start() + 1}"


def _whole(value: object) -> object:
    # JSON has one kind of number: 7.0 is the integer 7 in JSON Schema, and some publishers write all numbers so.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _side_within_bounds(value: object) -> object:
    if type(value) is int and not SIDES[0] <= value <= SIDES[1]:
        shown = value if abs(value) <= SAFE_INTEGER else "far off"
        raise PydanticCustomError("size", "is {side}: {bounds}", {"side": shown, "bounds": SIZE_BOUNDS})
    return value


def _trimmed(value: object) -> object:
    # Forms send an empty string for an empty field.
    return value.strip() or None if isinstance(value, str) else value


def _stripped(value: object) -> object:
    return value.strip() if isinstance(value, str) else value


ArticleId = Annotated[str, Field(min_length=1, max_length=200, pattern=ARTICLE_ID_PATTERN)]
Revision = Annotated[int, Field(ge=0, le=SAFE_INTEGER), BeforeValidator(_whole)]
Slot = Annotated[str, Field(pattern=SLOT_PATTERN)]
Locale = Annotated[str, Field(pattern=LOCALE_PATTERN, max_length=35)]

Seed = Annotated[int, Field(ge=0, le=SAFE_INTEGER), BeforeValidator(_whole)]
Side = Annotated[int, Field(ge=SIDES[0], le=SIDES[1]), BeforeValidator(_side_within_bounds), BeforeValidator(_whole)]
Aspect = Annotated[str, Field(pattern=ASPECT_PATTERN)]
Steps = Annotated[int, Field(ge=1, le=100), BeforeValidator(_whole)]
GuidanceScale = Annotated[float, Field(ge=0, le=20, allow_inf_nan=False)]
Variants = Annotated[int, Field(ge=1, le=MAX_VARIANTS), BeforeValidator(_whole)]
Variation = Annotated[int, Field(ge=0, le=999), BeforeValidator(_whole)]

Label = Annotated[Annotated[str, Field(max_length=100)] | None, BeforeValidator(_trimmed)]
Name = Annotated[Annotated[str, Field(max_length=200)] | None, BeforeValidator(_trimmed)]
Headline = Annotated[Annotated[str, Field(max_length=500)] | None, BeforeValidator(_trimmed)]
Paragraph = Annotated[Annotated[str, Field(max_length=2000)] | None, BeforeValidator(_trimmed)]
ChosenAlt = Annotated[Annotated[str, Field(max_length=500)] | None, BeforeValidator(_stripped)]
ChosenCaption = Annotated[Annotated[str, Field(max_length=2000)] | None, BeforeValidator(_stripped)]
"""Words of a choice: an empty text says something else than none."""
Excerpt = Annotated[Annotated[str, Field(max_length=8000)] | None, BeforeValidator(_trimmed)]
NegativePrompt = Annotated[str, Field(max_length=1000)]

Tags = Annotated[tuple[Annotated[str, Field(max_length=100)], ...], Field(strict=False, max_length=50)]
Hints = Annotated[tuple[Annotated[str, Field(max_length=200)], ...], Field(strict=False, max_length=20)]

Count = Annotated[int, Field(ge=0)]
Digest = Annotated[str, Field(pattern=SHA256_PATTERN, description="SHA-256 in lower-case hex.")]
Sha256 = Annotated[str, Field(pattern=SHA256_PATTERN)]
SetName = Annotated[str, Field(pattern=SET_PATTERN)]
CropEdge = Annotated[int, Field(ge=0, le=100_000), BeforeValidator(_whole)]
CropSide = Annotated[int, Field(ge=1, le=100_000), BeforeValidator(_whole)]
Scale = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
"""Strength of a LoRA."""
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Moment = AwareDatetime
