"""Translate pydantic's first error about a request into a sentence for publishers."""

from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.fields import PATTERNS_IN_WORDS, SAFE_INTEGER, SIDES
from schemas.reasons import ContractError, Reason

_SENTENCES: Final = {
    "missing": "is missing: fill it in",
    "string_type": "is not text: write it as a JSON string",
    "string_unicode": "holds half a character: send whole Unicode characters",
    "string_too_short": "is empty: fill it in",
    "string_too_long": "is too long: at most {max_length} characters",
    "int_type": "is not a whole number: write it as a JSON number without a fraction or quotation marks",
    "float_type": "is not a number: write it as a JSON number without quotation marks",
    "finite_number": "is not a finite number",
    "greater_than_equal": "is {input}, which is too small: at least {ge}",
    "less_than_equal": "is {input}, which is too large: at most {le}",
    "multiple_of": "is {input}, which is not a multiple of {multiple_of}: try {near}",
    "enum": "is none of the known values: write {expected}",
    "tuple_type": "is not a list: write it as a JSON array",
    "too_long": "has {actual_length} entries: at most {max_length}",
    "model_type": "is not an object: write it as a JSON object",
}


def explain(error: ValidationError) -> ContractError:
    """Return a `ContractError` that names the first invalid field and what to do about it."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    path = [*(str(part) for part in first["loc"]), *([context["field"]] if "field" in context else [])]
    field = ".".join(path) or "data"
    reason = Reason.MISSING_FIELD if first["type"] in {"missing", "nothing_to_paint"} else Reason.INVALID_FIELD
    return ContractError(reason, f"`{field}` {_sentence(first, context)}.", field=field)


def _sentence(first: ErrorDetails, context: dict[str, Any]) -> str:
    if first["type"] == "string_pattern_mismatch":
        return f"has the wrong form: write {PATTERNS_IN_WORDS[context['pattern']]}"
    if first["type"] == "multiple_of" and _far_off(first["input"]):
        return f"is far off: write a multiple of {context['multiple_of']}"
    if first["type"] in _SENTENCES:
        return _SENTENCES[first["type"]].format_map({**context, **_numbers(first["input"], context)})
    return first["msg"]


def _far_off(value: object) -> bool:
    """Return whether a number is too large to repeat in a message, or not a number (NaN)."""
    return isinstance(value, int | float) and not abs(value) <= 2 * SAFE_INTEGER


def _numbers(value: object, context: dict[str, Any]) -> dict[str, object]:
    # Only numbers are repeated: text may be from unpublished stories.
    if not isinstance(value, int | float):
        return {}
    if _far_off(value):
        return {"input": "far off"}
    number = int(value) if value == int(value) else value
    step = context.get("multiple_of", 1)
    lower = number - number % step
    near = sorted({min(max(side, SIDES[0]), SIDES[1]) for side in (lower, lower + step)})
    return {"input": number, "near": " or ".join(str(side) for side in near)}
