"""What a day counts."""

from __future__ import annotations

from consumer.dev.simulate.day.stories import Save
from consumer.dev.simulate.day.tally import DayTally, SaveEnd
from schemas import Article, ImageRequested

REQUEST = ImageRequested(article=Article(id="a", revision=1, headline="Storm"))


def test_only_pictures_are_waited_for() -> None:
    """A save that is declined counts as ended, but nobody's wait; one that is final counts for its story."""
    tally = DayTally()
    tally.add(Save(0.0, REQUEST, final=True), SaveEnd.DECLINED, 1.0)
    tally.add(Save(0.0, REQUEST, final=True), SaveEnd.KEPT, 0.5)
    tally.add(Save(0.0, REQUEST), SaveEnd.PAINTED, 9.0)

    assert tally.ends.total() == 3
    assert tally.final_ends == {SaveEnd.DECLINED: 1, SaveEnd.KEPT: 1}
    assert list(tally.final.seconds) == [0.5]
    assert tally.interactive.quantile(0.5) is None
