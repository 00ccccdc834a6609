"""`schemas.reasons`: the stable codes."""

from __future__ import annotations

import re

import pytest

from schemas import ContractError, Reason


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_is_its_code_and_says_what_to_do(reason: Reason) -> None:
    """A code is snake_case, equal to its text and its member's name, and has a meaning and a remedy."""
    assert re.fullmatch("[a-z][a-z0-9_]*", reason)
    assert (reason.value, f"{reason}", Reason(str(reason))) == (reason.name.lower(), reason.name.lower(), reason)
    assert reason.meaning.endswith(".")
    assert reason.remedy.endswith(".")


def test_no_code_was_ever_removed() -> None:
    """Dashboards and subscribers depend on these: add new ones here when they are released, remove none."""
    released = {
        *("not_json", "not_utf8", "tombstone", "not_cloudevent", "wrong_type", "unknown_version", "wrong_key"),
        *("missing_field", "invalid_field", "too_large", "duplicate_header", "unknown_style"),
        *("engine_failed", "engine_poison", "not_painted", "store_unavailable", "bus_unavailable"),
        *("model_unavailable", "misconfigured", "progress_unreadable", "no_starting_offset", "topics_mismatch"),
        *("announcement_refused", "internal", "not_finite"),
    }
    assert released <= set(Reason)


def test_a_contract_error_is_a_value_error_with_its_place() -> None:
    """To other code it is a ValueError with a readable message."""
    error = ContractError(Reason.INVALID_FIELD, "`output.width` is 500.", field="output.width")
    assert isinstance(error, ValueError)
    assert (str(error), error.message, error.field) == (
        "`output.width` is 500.",
        "`output.width` is 500.",
        "output.width",
    )
    assert ContractError(Reason.TOMBSTONE, "No value.").field is None
