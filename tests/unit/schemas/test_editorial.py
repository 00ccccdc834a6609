"""Editorial decisions: what a CMS may write, and what is refused in words."""

import json

import pytest

from schemas import ContractError, Reason, names
from schemas.editorial import ArticleRestored, ArticleWithdrawn, ImageApproved, ImageChosen
from schemas.reader import parse_request
from schemas.requests import AnyRequest

KEY = b"a-1"
PICTURE = {"sha256": "0" * 64}


def parse(event_type: str, **data: object) -> AnyRequest:
    """Parse one decision about article a-1."""
    article = {"id": "a-1", "revision": 3} if "image" in event_type else {"id": "a-1"}
    headers = [
        *(("content-type", b"application/json"), ("ce_specversion", b"1.0"), ("ce_id", b"d-1"), ("ce_source", b"/cms")),
        ("ce_type", event_type.encode()),
    ]
    return parse_request(KEY, headers, json.dumps({"article": article, **data}).encode())[1]


def test_a_choice_names_a_picture_and_what_to_say_of_it() -> None:
    """Crops, focal point, alt, caption and who chose are optional; the slot is the hero unless it says otherwise."""
    choice = parse(names.IMAGE_CHOSEN, picture=PICTURE, alt="Ferries.", chosen_by="editor-4")
    assert isinstance(choice, ImageChosen)
    assert choice.picture is not None
    assert (choice.slot, choice.picture.sha256, choice.alt, choice.external) == ("hero", "0" * 64, "Ferries.", False)


def test_a_choice_of_null_lets_go() -> None:
    """Null and absent are the same, as everywhere in the contract."""
    assert parse(names.IMAGE_CHOSEN, picture=None) == parse(names.IMAGE_CHOSEN)


def test_an_external_choice_has_no_picture_of_ours() -> None:
    """A picture of leadart's is not external: the field is named."""
    assert parse(names.IMAGE_CHOSEN, external=True) == ImageChosen.model_validate(
        {"article": {"id": "a-1", "revision": 3}, "external": True}
    )
    with pytest.raises(ContractError, match="not external") as refused:
        parse(names.IMAGE_CHOSEN, external=True, picture=PICTURE)
    assert refused.value.reason is Reason.INVALID_FIELD


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"picture": {}}, "picture"),
        ({"picture": {"sha256": "0"}}, "picture.sha256"),
        ({"external": "yes"}, "external"),
        ({"focal_point": {"x": 2, "y": 0}}, "focal_point.x"),
        ({"slot": "Hero"}, "slot"),
    ],
)
def test_what_is_wrong_with_a_choice_is_named(data: dict[str, object], field: str) -> None:
    """Each field has the bounds that it has in a re-crop."""
    with pytest.raises(ContractError) as refused:
        parse(names.IMAGE_CHOSEN, **data)
    assert refused.value.field == field


@pytest.mark.parametrize(
    ("event_type", "model"),
    [(names.ARTICLE_WITHDRAWN, ArticleWithdrawn), (names.ARTICLE_RESTORED, ArticleRestored)],
)
def test_an_article_is_withdrawn_whole_or_by_slot(
    event_type: str, model: type[ArticleWithdrawn | ArticleRestored]
) -> None:
    """Without a slot, all of it is meant; the article has no revision."""
    whole, slot = parse(event_type, slot=None, reason="a court"), parse(event_type, slot="inline-2")
    assert isinstance(whole, model)
    assert isinstance(slot, model)
    assert (whole.slot, whole.reason, slot.slot) == (None, "a court", "inline-2")


def test_an_approval_names_the_held_revision() -> None:
    """Without a revision it cannot tell what was approved."""
    assert isinstance(parse(names.IMAGE_APPROVED, approved_by="editor-4"), ImageApproved)
    with pytest.raises(ContractError) as refused:
        parse(names.IMAGE_APPROVED, article={"id": "a-1"})
    assert (refused.value.reason, refused.value.field) == (Reason.MISSING_FIELD, "article.revision")


def test_refining_is_refused_until_it_exists() -> None:
    """It painted anew and refined nothing: the message says what to write instead."""
    article = {"id": "a-1", "revision": 3, "headline": "A storm"}
    with pytest.raises(ContractError, match="regenerate") as refused:
        parse(names.IMAGE_REQUESTED, article=article, reason="refine")
    assert (refused.value.reason, refused.value.field) == (Reason.INVALID_FIELD, "reason")
