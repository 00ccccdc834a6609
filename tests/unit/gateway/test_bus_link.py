"""`consumer.gateway.bus_link`: what is told of topics that cannot be reached, and when."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import NoReturn

import pytest
from structlog.testing import capture_logs

from consumer.delivery.ports import BusError, RecordRefused
from consumer.gateway import bus_link
from consumer.gateway.bus_link import REMIND_SECONDS, BusLink, keep_up
from consumer.gateway.problems import Problem
from consumer.kafka.admin_client import TopicsMissing
from tests.support.gateway import caught_up_link

AWAY = BusError("no answer within 5 s")
MISSING = TopicsMissing(["article-image-preferences", "article-image-progress"])


def test_what_is_waited_for_is_told_by_name() -> None:
    """From the first moment: no answer yet, then the topics that are missing, then that they are read."""
    link = BusLink()
    told = [link.waits_for]
    changes = (partial(link.lost, MISSING), link.found, link.caught_up, partial(link.lost, AWAY))
    for change in changes:
        change()
        told.append(link.waits_for)
    assert told == [
        "Kafka has not answered yet.",
        "There is no topic article-image-preferences, article-image-progress: run `leadart topics apply`.",
        "The topics are being read up to now.",
        None,
        "Kafka does not answer (no answer within 5 s).",
    ]


def test_a_lasting_trouble_is_logged_now_and_then() -> None:
    """At once when it is another one, else once a minute."""
    now = [0.0]
    link = BusLink(lambda: now[0])
    with capture_logs() as logs:
        for seconds, error in ((0, AWAY), (2, AWAY), (4, MISSING), (6, MISSING), (4 + REMIND_SECONDS, MISSING)):
            now[0] = seconds
            link.lost(error)
    assert [each["event"] for each in logs] == ["bus_unavailable", "topic_missing", "topic_missing"]
    assert "article-image-preferences" in logs[-1]["error"]


async def test_who_awaits_a_confirmation_is_told_once_the_topics_are_lost() -> None:
    """At once, and that it may be published; who comes later, that nothing was."""
    link = caught_up_link()
    awaiting = asyncio.Event()

    async def publish() -> None:
        async with link.confirmation():
            awaiting.set()
            await asyncio.Event().wait()

    sent = asyncio.create_task(publish())
    await awaiting.wait()
    link.lost(AWAY)
    link.lost(AWAY)
    with pytest.raises(Problem) as told:
        await sent
    assert (told.value.status, told.value.reason, told.value.retry_after) == (503, "unanswered", 5)
    with pytest.raises(Problem) as later:
        await publish()
    assert (later.value.status, later.value.reason) == (503, "bus_unavailable")


async def test_a_record_that_kafka_refuses_is_not_sent_again() -> None:
    """413: what is too large stays so."""
    with pytest.raises(Problem) as told:
        async with caught_up_link().confirmation():
            raise RecordRefused("MessageSizeTooLargeError")
    assert told.value.status == 413


async def test_sessions_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an absence and after a missing topic there is another session; anything else ends it."""
    monkeypatch.setattr(bus_link, "AGAIN_SECONDS", 0.0)
    link, ends = BusLink(), iter([AWAY, MISSING, ValueError("a bug")])
    troubles = []

    async def session() -> NoReturn:
        troubles.append(link.trouble)
        raise next(ends)

    with pytest.raises(ValueError, match="a bug"):
        await keep_up(link, session)
    assert troubles == ["Kafka has not answered yet.", f"Kafka does not answer ({AWAY}).", MISSING.message]
