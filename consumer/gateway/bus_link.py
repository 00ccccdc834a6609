"""The link to some topics: followed through outages, and known to whoever depends on them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import NoReturn, Protocol

import structlog

from consumer.delivery.ports import BusError, RecordRefused
from consumer.gateway.problems import Problem
from consumer.jobs import Record
from consumer.kafka.admin_client import TopicsMissing
from consumer.kafka.cms_client import CmsSubscriber, open_subscriber
from consumer.settings import Settings

log = structlog.get_logger(__name__)

READ_SECONDS = 0.5
CHECK_SECONDS = 2.0
"""How often the topics' ends are asked for: a client that hears nothing cannot know whether there is a broker."""
ANSWER_SECONDS = 5.0
"""How long an answer to that is awaited."""
AGAIN_SECONDS = 2.0
REMIND_SECONDS = 60.0
"""How often the same trouble is logged."""

NOT_TRIED = "Kafka has not answered yet."
READING = "The topics are being read up to now."


class BusLink:
    """Whether topics can be reached, as whoever follows them last found.

    `trouble`: a sentence for people that says why not; None while they can. `ready`: set while everything in them has
    been read. `begun`: whether it ever was.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.ready = asyncio.Event()
        self.begun = False
        self.trouble: str | None = NOT_TRIED
        self._awaited: set[asyncio.Timeout] = set()
        self._clock = clock
        self._logged: tuple[str, float] | None = None

    @property
    def waits_for(self) -> str | None:
        """What is missing before it is ready, for people; None if nothing is."""
        return None if self.ready.is_set() else self.trouble or READING

    def found(self) -> None:
        """Note that the topics are there and a broker answers."""
        self.trouble = self._logged = None

    def caught_up(self) -> None:
        """Note that everything in them has been read."""
        self.begun = True
        self.ready.set()

    def lost(self, error: BusError | TopicsMissing) -> None:
        """Note why they cannot be reached; who awaits a confirmation is told at once."""
        is_missing = isinstance(error, TopicsMissing)
        self.trouble = str(error) if is_missing else f"Kafka does not answer ({error})."
        self.ready.clear()
        awaited, self._awaited = self._awaited, set()
        for limit in awaited:
            limit.reschedule(asyncio.get_running_loop().time())
        self._log("topic_missing" if is_missing else "bus_unavailable", str(error))

    def _log(self, event: str, error: str) -> None:
        """Log a trouble when it is new, and now and then while it lasts."""
        now = self._clock()
        if self._logged is None or self._logged[0] != error or now - self._logged[1] >= REMIND_SECONDS:
            self._logged = error, now
            log.warning(event, error=error, wait_seconds=AGAIN_SECONDS)

    @asynccontextmanager
    async def confirmation(self) -> AsyncIterator[None]:
        """Publish inside, as long as the topics can be reached.

        Raises `Problem` 503: `bus_unavailable` if they cannot, so that nothing is sent; `unanswered` if no broker has
        confirmed what was sent, which may be published then, or later.
        """
        if self.trouble is not None:
            raise Problem(503, "bus_unavailable", f"Nothing was published: {self.trouble}")
        try:
            async with asyncio.timeout(None) as limit:
                self._awaited.add(limit)
                try:
                    yield
                finally:
                    self._awaited.discard(limit)
        except RecordRefused as error:
            raise Problem(413, "too_large", f"Kafka takes no record of that size: {error}.") from error
        except (TimeoutError, BusError) as error:
            raise _unanswered(f"Kafka does not answer ({error})." if str(error) else self.trouble) from error


def _unanswered(why: str | None) -> Problem:
    detail = (
        f"It was sent and may be published, now or later. {why or NOT_TRIED} Send it again with the same "
        "Idempotency-Key, and it counts once."
    )
    return Problem(503, "unanswered", detail)


class TopicReader(Protocol):
    """Takes what is read of some topics."""

    async def begin(self, subscriber: CmsSubscriber) -> None:
        """Seek to where reading begins; it is at the topics' start, or where it was left. Raises `BusError`."""

    async def take(self, records: Sequence[Record]) -> None:
        """Take records."""

    async def settle(self) -> None:
        """Do what is to be done once everything is read, before the link is ready."""


async def keep_up(link: BusLink, session: Callable[[], Awaitable[NoReturn]]) -> NoReturn:
    """Have a session with the brokers, and after each loss another one, until cancelled. Raises `Fatal`."""
    while True:
        try:
            with _losing(link):
                await session()
        except (BusError, TopicsMissing):
            await asyncio.sleep(AGAIN_SECONDS)


async def follow_topics(settings: Settings, link: BusLink, bases: Sequence[str], reader: TopicReader) -> NoReturn:
    """Have the reader follow the topics until cancelled, whatever becomes of the brokers. Raises `Fatal`."""

    async def session() -> NoReturn:
        # From the start, where the reader seeks nothing: partitions that the topics grow by are read whole.
        async with open_subscriber(settings, bases, from_start=True) as subscriber:
            link.found()
            with _losing(link):  # at once: without a broker it takes a while to close the subscriber
                await _follow(subscriber, link, reader)

    await keep_up(link, session)


@contextmanager
def _losing(link: BusLink) -> Iterator[None]:
    try:
        yield
    except (BusError, TopicsMissing) as error:
        link.lost(error)
        raise


async def _follow(subscriber: CmsSubscriber, link: BusLink, reader: TopicReader) -> NoReturn:
    await reader.begin(subscriber)
    ends = await subscriber.ends()
    while await subscriber.is_before(ends):
        await reader.take(await subscriber.read(READ_SECONDS))
    await reader.settle()
    link.caught_up()
    checked = time.monotonic()
    while True:
        await reader.take(await subscriber.read(READ_SECONDS))
        if time.monotonic() - checked > CHECK_SECONDS:
            await _check(subscriber)
            checked = time.monotonic()


async def _check(subscriber: CmsSubscriber) -> None:
    """Ask where the topics end: without a broker, raise `BusError`."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await subscriber.ends()
    except TimeoutError:
        raise BusError(f"no answer within {ANSWER_SECONDS:.0f} s") from None
