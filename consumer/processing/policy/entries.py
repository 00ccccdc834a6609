"""What a policy file may say: its keys, and what each of them has to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails, InitErrorDetails

from consumer.processing.policy.conditions import TextField
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

    @model_validator(mode="after")
    def _looks_for_something(self) -> Self:
        if self.look_in is not None and self.words is None and self.lists is None:
            raise wrong("has `look_in`, but nothing to look for: add `words` or `lists`")
        return self


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

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        changes = (self.illustration_only, self.style, self.variants, self.needs_approval, self.settle_seconds)
        changing = any(change is not None for change in changes)
        if problem := self._problem(changing=changing):
            raise wrong(problem)
        return self

    def _problem(self, *, changing: bool) -> str | None:
        contradicts = (self.allow and (self.never or changing)) or (self.never and changing)
        problems = {
            "does nothing: add an action, or `allow = true` to let its requests through": not (
                self.allow or self.never or changing
            ),
            "contradicts itself: `allow` and `never` stand alone": contradicts,
            "has `older` without `never`: remove it": self.older and not self.never,
            "has `approval_time` without `needs_approval`: remove it": self.approval_time and not self.needs_approval,
            "has both `style` and `illustration_only`: remove one of them": self.style and self.illustration_only,
            "has no `message`: add the sentence that an editor reads": (self.never or self.needs_approval)
            and not self.message,
        }
        return next((advice for advice, holds in problems.items() if holds), None)


def _in_order(rules: list[RuleEntry], info: ValidationInfo) -> list[RuleEntry]:
    mistakes = [*_repeated(rules), *_unreachable(rules), *_unknown_lists(rules, info.data.get("lists"))]
    if mistakes:
        errors = [InitErrorDetails(type=wrong(advice), loc=loc, input=None) for loc, advice in mistakes]
        raise ValidationError.from_exception_data("rules", errors)
    return rules


_Mistakes = Iterator[tuple[tuple[int | str, ...], str]]


def _repeated(rules: Sequence[RuleEntry]) -> _Mistakes:
    names = [rule.name for rule in rules]
    for place, name in enumerate(names):
        if name in names[:place]:
            yield (place, "name"), f"is the name of an earlier rule, {name!r}: choose another"


def _unreachable(rules: Sequence[RuleEntry]) -> _Mistakes:
    for place, rule in enumerate(rules[:-1]):
        if not rule.when.model_fields_set:
            yield (place + 1,), f"is never reached: {rule.name!r} above it has no condition, so move that to the end"
            return


def _unknown_lists(rules: Sequence[RuleEntry], known: dict[str, ListFile] | None) -> _Mistakes:
    if known is None:  # it has mistakes of its own
        return
    for place, rule in enumerate(rules):
        for number, name in enumerate(rule.when.lists or ()):
            if name not in known:
                there = f"use one of {', '.join(known)}, or add it to [lists]" if known else "add it to [lists]"
                yield (place, "when", "lists", number), f"names no list, {name!r}: {there}"


class PolicyEntry(BaseModel):
    """A whole policy file."""

    model_config = _STRICT

    label: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,39}$")]
    settle_seconds: _Settle = 0.0
    lists: dict[_ListName, Annotated[ListFile, BeforeValidator(read_list)]] = Field(default_factory=dict)
    rules: Annotated[list[RuleEntry], Field(max_length=500), AfterValidator(_in_order)] = Field(default_factory=list)


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
