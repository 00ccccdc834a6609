"""`leadart publish`."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.cli.shared import EnvFile, complain, complaints, printable, say, settings_from, time_span
from schemas import OutcomeKind, names

if TYPE_CHECKING:
    from consumer.kafka.announced import AnnouncedEvent
    from consumer.kafka.cms_client import CmsSubscriber
    from consumer.settings import Settings
    from schemas.cloudevents import Event

TIMED_OUT = 3
"""Exit status of `--wait` when no outcome came in time."""

_POLL_SECONDS = 0.2


def publish(
    file: Annotated[typer.FileBinaryRead, typer.Argument(help="JSON file with the request's data; - for stdin.")],
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome and print it.")] = False,
    timeout: Annotated[
        timedelta,
        typer.Option(parser=time_span, metavar="SPAN", help="Limit of --wait. [default: 5min]", show_default=False),
    ] = timedelta(minutes=5),
    env_file: EnvFile = None,
) -> None:
    """Publish a request, unchecked, as a CMS would, and print its event id.

    Exit status with --wait: 0 if the pictures are ready, 1 if there will be none, 3 if no outcome came in time.
    """
    from consumer.kafka.cms_client import parse_request_file

    settings, text = settings_from(env_file), file.read()
    event = parse_request_file(text)
    _warn_of_unknown_fields(event.type, text)
    if not wait:
        asyncio.run(_publish(settings, event))
        return
    limit = timeout.total_seconds()
    outcome = asyncio.run(_publish_and_wait(settings, event, limit))
    if outcome is None:
        complain(f"no outcome within {limit:g} s; it may still come: leadart outcomes {event.subject}")
        raise typer.Exit(TIMED_OUT)
    for line in (outcome.sentence, *outcome.urls):
        say(printable(line))
    raise typer.Exit(outcome.kind != OutcomeKind.READY)


def _warn_of_unknown_fields(event_type: str, text: bytes) -> None:
    from schemas.ignored import unknown_fields
    from schemas.requests import REQUESTS

    unknown = unknown_fields(json.loads(text), REQUESTS[event_type])
    for path in unknown.ignored:
        nearest = unknown.did_you_mean.get(path)
        complain(f"{path} is not a field of a request and is ignored{f': did you mean {nearest}?' if nearest else ''}")


async def _publish(settings: Settings, event: Event) -> None:
    from consumer.kafka.cms_client import open_publisher

    async with open_publisher(settings) as publisher:
        await publisher.publish(event)
    say(event.id)


async def _publish_and_wait(settings: Settings, event: Event, seconds: float) -> AnnouncedEvent | None:
    """Listen first, then publish: the outcome cannot be missed."""
    from consumer.kafka.cms_client import open_subscriber

    # Progress is for a person's eyes, and reading it takes a right of its own.
    bases = [names.OUTCOME, names.PROGRESS] if complaints.is_terminal else [names.OUTCOME]
    async with open_subscriber(settings, bases) as subscriber:
        await _publish(settings, event)
        return await outcome_of(subscriber, event.id, seconds)


async def outcome_of(subscriber: CmsSubscriber, request_id: str, seconds: float) -> AnnouncedEvent | None:
    """Return the outcome of a request; None if none came in time. Shows its progress on a terminal."""
    from consumer.kafka.announced import parse_announced

    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with complaints.status("waiting for a worker") as status:
        while loop.time() < deadline:
            for event in map(parse_announced, await subscriber.read(_POLL_SECONDS)):
                if event is None or event.request_id != request_id:
                    continue
                if event.type != names.IMAGE_PROGRESS:
                    return event
                status.update(event.result)
    return None
