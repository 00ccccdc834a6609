from __future__ import annotations

from consumer.gateway.board.pictures import AnnouncedPictures
from tests.support.announcements import announced
from tests.support.gateway import ready

ONE = "a" * 64


def test_a_let_go_article_leaves_nothing_behind() -> None:
    """Its pictures are unknown then, not withdrawn; those of others stay."""
    pictures = AnnouncedPictures()
    pictures.take("a-1", announced("ready", **ready(ONE, "b" * 64)))
    pictures.take("a-2", announced("ready", **ready(ONE)))
    pictures.take("a-1", announced("withdrawn"))

    pictures.forget("a-1")
    assert pictures.find(ONE)
    assert pictures.find("b" * 64) is None

    pictures.forget("a-2")
    assert (pictures._files, pictures._shown) == ({}, {})


def test_a_withdrawal_of_the_whole_article_takes_every_slot() -> None:
    """One without a slot means all of them."""
    pictures = AnnouncedPictures()
    pictures.take("a-1", announced("ready", **ready(ONE)))
    pictures.take("a-1", announced("withdrawn", slot=None))
    assert pictures.find(ONE) == {}
