"""What an editor's decision would do, before it is published."""

from __future__ import annotations

from consumer.admin.heads import StoredHead
from consumer.admin.rehearsal import DecisionRehearsal, Rehearsal
from consumer.delivery.editorial import Choice, Editorial, Withdrawal
from consumer.delivery.heads import NO_HEAD, WHOLE_ARTICLE, Head, Slot
from schemas.editorial import ImageChosen
from tests.support.announcements import announced

DIGEST = "9f" * 32
DOWN = Editorial(withdrawal=Withdrawal(source="/cms", request_id="w", message="A court."))
DECISION = ImageChosen.model_validate({"article": {"id": "a-1", "revision": 1}, "picture": {"sha256": DIGEST}})
HERO = NO_HEAD._replace(revision=7)


def of(**heads: Head) -> DecisionRehearsal:
    """Rehearse for article a-1 with these heads; `whole` is the article's own."""
    named = {WHOLE_ARTICLE if name == "whole" else name: head for name, head in heads.items()}
    return DecisionRehearsal("a-1", [StoredHead(Slot("a-1", name), head, 0) for name, head in named.items()])


def chosen(*, let_go: bool = False) -> Head:
    return HERO._replace(editorial=Editorial(choice=Choice(decision=DECISION, let_go=let_go)))


def test_a_picture_is_looked_for_in_the_articles_outcomes() -> None:
    """Of this slot, else of another; what no outcome names may be another article's, or nobody's."""
    pictures = [{"sha256": DIGEST}]
    teaser = announced("ready", slot="teaser", pictures=pictures)
    hero = announced("ready", pictures=pictures)
    failed = announced("failed", pictures=pictures)
    found = [of(hero=HERO).choose("hero", DIGEST, outcomes) for outcomes in ([hero, teaser], [teaser], [failed])]

    assert {one.effects for one in found} == {(f"keep {DIGEST} in hero (revision 7)",)}
    assert [one.known for one in found] == [
        "it was announced 1970-01-01 00:00:01 UTC for revision 7",
        "it was announced for teaser, not for hero, 1970-01-01 00:00:01 UTC for revision 7",
        (
            "no outcome of a-1 that was searched names it: the choice fails as unknown_picture unless the store has "
            "it, as another article's"
        ),
    ]


def test_a_picture_that_was_withdrawn_is_said_to_be_deleted() -> None:
    """The slot was restored since; another slot's withdrawal is none of it."""
    ready, gone = announced("ready", pictures=[{"sha256": DIGEST}]), announced("withdrawn")
    other = announced("withdrawn", slot="teaser")

    assert of(hero=HERO).choose("hero", DIGEST, [ready, gone]).known.endswith(", and deleted when that was withdrawn")
    assert of(hero=HERO).choose("hero", DIGEST, [gone, ready, other]).known.endswith("for revision 7")


def test_nothing_is_chosen_in_a_withdrawn_slot() -> None:
    """The command that opens it is named: of the slot, or of the whole article."""
    down = NO_HEAD._replace(editorial=DOWN)
    slot, whole = of(hero=down), of(whole=down, hero=HERO)

    for rehearsed in (slot.choose("hero", DIGEST, []), slot.let_go("hero"), slot.declare("hero")):
        assert rehearsed.refused == "hero is withdrawn: leadart restore a-1 --slot hero --execute"
    assert whole.declare("hero").refused == "hero is withdrawn: leadart restore a-1 --execute"
    assert of(hero=down, teaser=HERO).declare("teaser").refused == ""


def test_only_what_is_chosen_is_let_go() -> None:
    """Once: then there is nothing to let go of."""
    assert of(hero=chosen()).let_go("hero") == Rehearsal(("let go of the choice in hero (revision 7)",))
    for rehearsed in (of(hero=chosen(let_go=True)), of(hero=HERO), of()):
        assert rehearsed.let_go("hero").refused == "no picture is chosen in hero"


def test_a_restoration_opens_what_is_withdrawn() -> None:
    """Each slot with its reason; nothing where nothing is; a slot alone cannot leave a withdrawn article."""
    down = NO_HEAD._replace(editorial=DOWN)

    assert of(hero=down, teaser=HERO).restore(None).effects == ("open hero to new requests, withdrawn (A court.)",)
    assert of(whole=down).restore(None).effects == ("open all slots to new requests, withdrawn (A court.)",)
    assert of(hero=HERO).restore("hero").effects == ("change nothing: hero is not withdrawn",)
    assert of(whole=down, hero=down).restore("hero") == Rehearsal(
        (), "a-1 is withdrawn as a whole: restore it without --slot"
    )


def test_a_withdrawal_says_what_is_withdrawn_already() -> None:
    """Published again, it deletes what was left behind."""
    rehearsed = of(whole=NO_HEAD, hero=HERO, teaser=NO_HEAD._replace(editorial=DOWN))

    assert rehearsed.withdraw(None).effects == (
        "delete the pictures of hero (revision 7)",
        "delete the pictures of teaser (revision 0), withdrawn already",
    )
    assert of().withdraw(None).effects == ("make no pictures",)
