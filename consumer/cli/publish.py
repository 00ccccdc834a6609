"""`leadart publish`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
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

Timeout = Annotated[
    timedelta,
    typer.Option(parser=time_span, metavar="SPAN", help="Limit of the wait. [default: 5min]", show_default=False),
]

_TYPE_HELP = "What the data are, if they could be several: image-chosen, image-approved, withdrawn, restored, …"


def _event_type(text: str) -> str:
    from consumer.kafka.request_file import SHORT_TYPES

    kind = SHORT_TYPES.get(text, text)
    if kind not in names.REQUESTS:
        raise typer.BadParameter(f"{text!r} is not a type that a CMS publishes: write {', '.join(SHORT_TYPES)}")
    return kind


def publish(
    file: Annotated[
        typer.FileBinaryRead, typer.Argument(help="JSON file with the data, or a CloudEvent; - for stdin.")
    ],
    event_type: Annotated[
        str | None, typer.Option("--type", parser=_event_type, metavar="TYPE", help=_TYPE_HELP, show_default=False)
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the outcome and print it.")] = False,
    timeout: Timeout = timedelta(minutes=5),
    env_file: EnvFile = None,
) -> None:
    """Publish a request or an editor's decision, unchecked, as a CMS would, and print its event id.

    Exit status with --wait: 0 if it had its way (the pictures are ready, or the decision holds), 1 if not, 3 if no
    outcome came in time. A restoration has no outcome to wait for.
    """
    from consumer.kafka.request_file import parse_request_file

    settings, text = settings_from(env_file), file.read()
    event = parse_request_file(text, event_type)
    _warn_of_unknown_fields(event)
    if wait:
        publish_and_report(settings, event, timeout)
    else:
        asyncio.run(_publish(settings, event))


def publish_and_report(settings: Settings, event: Event, timeout: timedelta) -> None:
    """Publish an event, wait for its outcomes and print them. Raises `typer.Exit` with the exit status."""
    if event.type == names.ARTICLE_RESTORED:
        asyncio.run(_publish(settings, event))
        say(f"a restoration has no outcome, unless it fails: leadart outcomes {printable(event.subject or '')}")
        return
    limit = timeout.total_seconds()
    outcomes = asyncio.run(_publish_and_wait(settings, event, limit))
    if not outcomes:
        complain(f"no outcome within {limit:g} s; it may still come: leadart outcomes {event.subject}")
        raise typer.Exit(TIMED_OUT)
    for outcome in outcomes:
        for line in (outcome.sentence, *outcome.urls):
            say(printable(line))
    raise typer.Exit(not all(_grants(event, outcome) for outcome in outcomes))


def _grants(event: Event, outcome: AnnouncedEvent) -> bool:
    """Return whether an outcome says that what was published had its way."""
    match event.type:
        case names.ARTICLE_WITHDRAWN:
            return outcome.kind == OutcomeKind.WITHDRAWN
        case names.IMAGE_CHOSEN if outcome.kind == OutcomeKind.DECLINED:
            return outcome.data.get("rule") == "external_choice"
    return outcome.kind == OutcomeKind.READY


def _warn_of_unknown_fields(event: Event) -> None:
    from schemas.ignored import unknown_fields
    from schemas.requests import REQUESTS

    data = json.loads(event.data) if isinstance(event.data, bytes) else event.data
    unknown = unknown_fields(data, REQUESTS[event.type])
    for path in unknown.ignored:
        nearest = unknown.did_you_mean.get(path)
        complain(f"{path} is not a field of a request and is ignored{f': did you mean {nearest}?' if nearest else ''}")


async def _publish(settings: Settings, event: Event) -> None:
    from consumer.kafka.cms_client import open_publisher

    async with open_publisher(settings) as publisher:
        await publisher.publish(event)
    say(event.id)


async def _publish_and_wait(settings: Settings, event: Event, seconds: float) -> list[AnnouncedEvent]:
    """Listen first, then publish: the outcome cannot be missed."""
    from consumer.kafka.cms_client import open_subscriber

    # Progress is for a person's eyes, and reading it takes a right of its own.
    bases = [names.OUTCOME, names.PROGRESS] if complaints.is_terminal else [names.OUTCOME]
    async with open_subscriber(settings, bases) as subscriber:
        await _publish(settings, event)
        return await outcomes_of(subscriber, event, seconds)


async def outcomes_of(subscriber: CmsSubscriber, event: Event, seconds: float) -> list[AnnouncedEvent]:
    """Return the outcomes of an event; none if none came in time. Shows its progress on a terminal.

    Only a withdrawal has several, one for each slot, which become readable together.
    """
    from consumer.kafka.announced import parse_announced
    from consumer.kafka.answers import answers, lets_go

    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    found: list[AnnouncedEvent] = []
    with complaints.status("waiting for a worker") as status:
        while loop.time() < deadline:
            read = list(map(parse_announced, await subscriber.read(_POLL_SECONDS)))
            mine = [replace(each, lets_go=lets_go(event)) for each in read if each is not None and answers(each, event)]
            for announced in mine:
                if announced.type == names.IMAGE_PROGRESS:
                    status.update(announced.result)
            ends = [announced for announced in mine if announced.type != names.IMAGE_PROGRESS]
            found += ends
            if found and (event.type != names.ARTICLE_WITHDRAWN or not ends):
                break
    return found
