"""What a policy file may say: its keys, and what each of them has to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from consumer.processing.policy.conditions import TextField
from consumer.processing.policy.consistency import between_actions, between_conditions, between_rules, checked
from consumer.processing.policy.decision import OlderSaves
from consumer.processing.policy.list_files import ListFile, read_list, visible, wrong
from consumer.processing.styles import StylePreset
from consumer.settings.time_spans import parse_time_span
from schemas.fields import LOCALE_PATTERN, SLOT_PATTERN, Variants
from schemas.names import EXTERNAL_CHOICE
from schemas.requested import Priority, RequestReason

LONGEST_SETTLE_SECONDS: Final = 300
LONGEST_APPROVAL: Final = timedelta(days=7)
USUAL_APPROVAL: Final = timedelta(days=1)

_STRICT: Final = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


def _not_ours(name: str) -> str:
    if name == EXTERNAL_CHOICE:
        raise wrong("is the name by which an editor's own picture declines requests: choose another")
    return name


def _presets(info: ValidationInfo) -> Mapping[str, StylePreset]:
    context: Any = info.context
    presets: Mapping[str, StylePreset] = context.styles.presets
    return presets


def _known_style(name: str, info: ValidationInfo) -> str:
    presets = _presets(info)
    if name not in presets:
        raise wrong(f"names no style of the site: use one of {', '.join(presets)}")
    return name


def _drawn(name: str, info: ValidationInfo) -> str:
    presets = _presets(info)
    if presets[_known_style(name, info)].photorealistic:
        drawn = [each.name for each in presets.values() if not each.photorealistic]
        raise wrong(f"names a photorealistic style: use one of {', '.join(drawn)}")
    return name


def _time_span(text: object) -> timedelta:
    if not isinstance(text, str):
        raise wrong(f'must be a time span in quotation marks, such as "90min" or "2d", but is {text!r}')
    try:
        return parse_time_span(text)
    except ValueError as error:
        raise wrong(str(error)) from error


def _not_too_long(span: timedelta) -> timedelta:
    if not timedelta(seconds=1) <= span <= LONGEST_APPROVAL:
        raise wrong(f"must be from 1s to {LONGEST_APPROVAL.days}d")
    return span


_ListName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
_RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,59}$"), AfterValidator(_not_ours)]
_Value = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
_Values = Annotated[list[_Value], Field(min_length=1, max_length=500)]
_Word = Annotated[_Value, AfterValidator(visible)]
_Span = Annotated[timedelta, BeforeValidator(_time_span)]
_Approval = Annotated[_Span, AfterValidator(_not_too_long)]
_Settle = Annotated[float, Field(ge=0, le=LONGEST_SETTLE_SECONDS, allow_inf_nan=False)]
_Fields = Annotated[list[Annotated[TextField, Field(strict=False)]], Field(min_length=1)]


class SpanEntry(BaseModel):
    """How long ago the slot's first save was."""

    model_config = _STRICT

    at_least: _Span = timedelta()
    below: _Span = timedelta.max

    @model_validator(mode="after")
    def _spans_something(self) -> Self:
        if self.at_least >= self.below:
            raise wrong("never holds: `below` must be longer than `at_least`")
        return self


class WhenEntry(BaseModel):
    """The conditions of a rule."""

    model_config = _STRICT

    section: _Values | None = None
    status: _Values | None = None
    tags: _Values | None = None
    locale: list[Annotated[str, StringConstraints(pattern=LOCALE_PATTERN)]] | None = Field(None, min_length=1)
    source: _Values | None = None
    requested_by: _Values | None = None
    slot: list[Annotated[str, StringConstraints(pattern=SLOT_PATTERN)]] | None = Field(None, min_length=1)
    style: list[Annotated[str, AfterValidator(_known_style)]] | None = Field(None, min_length=1)
    reason: list[Annotated[RequestReason, Field(strict=False)]] | None = Field(None, min_length=1)
    priority: list[Annotated[Priority, Field(strict=False)]] | None = Field(None, min_length=1)
    words: list[_Word] | None = Field(None, min_length=1, max_length=500)
    lists: list[str] | None = Field(None, min_length=1)
    look_in: _Fields | None = None
    since_first_save: SpanEntry | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _looks_for_something(cls, when: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return checked(when, handler, between_conditions)


class RuleEntry(BaseModel):
    """One rule: when it holds, and what it does."""

    model_config = _STRICT

    name: _RuleName
    message: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)] | None = None
    when: WhenEntry = Field(default_factory=WhenEntry)
    allow: Literal[True] | None = None
    never: Literal[True] | None = None
    older: Annotated[OlderSaves, Field(strict=False)] | None = None
    illustration_only: Annotated[str, AfterValidator(_drawn)] | None = None
    style: Annotated[str, AfterValidator(_known_style)] | None = None
    variants: Variants | None = None
    needs_approval: Literal[True] | None = None
    approval_time: _Approval | None = None
    settle_seconds: _Settle | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _says_one_thing(cls, rule: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return checked(rule, handler, between_actions)


class PolicyEntry(BaseModel):
    """A whole policy file."""

    model_config = _STRICT

    label: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    settle_seconds: _Settle = 0.0
    lists: dict[_ListName, Annotated[ListFile, BeforeValidator(read_list)]] = Field(default_factory=dict)
    rules: list[RuleEntry] = Field(default_factory=list, max_length=500)

    @model_validator(mode="wrap")
    @classmethod
    def _is_in_order(cls, policy: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        return checked(policy, handler, between_rules)


_KEYS: Final[dict[str, tuple[str, type[BaseModel]]]] = {
    "": ("the file", PolicyEntry),
    "rules": ("a rule", RuleEntry),
    "when": ("`when`", WhenEntry),
    "since_first_save": ("`since_first_save`", SpanEntry),
}


_ADVICE: Final = {
    "literal_error": "can only be true: remove it otherwise",
    "too_short": "is empty: name at least one, or remove it",
}


def advise(error: ErrorDetails, path: Sequence[str]) -> str | None:
    """Return what to do about a mistake that policy files know more about; else None."""
    match error["type"]:
        case "extra_forbidden":
            within = [part for part in path[:-1] if not part.isdigit()]
            kind, model = _KEYS[within[-1] if within else ""]
            return f"is not a key of {kind}: remove it, or use one of {', '.join(model.model_fields)}"
        case "list_type" if path[-1] == "rules":
            return "is not a list of tables: begin each rule with [[rules]]"
        case "list_type":
            return f"is {error['input']!r}, not a list: put it into square brackets"
        case "enum":
            known = str(error["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
            return f"is {error['input']!r}: use one of {known}"
        case kind:
            return _ADVICE.get(kind)
