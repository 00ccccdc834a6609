"""`leadart trace` prints what was found, answers in its last line, and says by its exit status how it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from consumer.admin.trace.search import TraceQuery
from consumer.admin.trace.timeline import FileState, SearchFacts, StoredUse, StoreFacts, Timeline
from consumer.cli.root import app
from consumer.delivery.ports import BusError
from consumer.errors import Fatal
from consumer.storage.manifest import manifest_key
from schemas import Reason
from tests.support.timelines import (
    MASTER,
    RENDITION,
    WAITING,
    asked,
    clock,
    head,
    letter,
    outcome,
    ready,
    retried,
    timeline,
)

MANIFEST = manifest_key("ee" * 32)
STATES = dict.fromkeys([MASTER, RENDITION, MANIFEST], FileState.THERE)
WITH_PICTURE = timeline(
    requests=(asked(), retried(standing=asked().standing)),
    outcomes=(ready(ordinal=1, flags=frozenset({"chosen"})),),
    letters=(letter(),),
    heads=(head(1, made=1),),
    store=StoreFacts(STATES),
)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Timeline | Exception | TraceQuery]:
    """Stand in for Kafka and the store: the first entry is found or raised, and the query is put behind it."""
    given: list[Timeline | Exception | TraceQuery] = []

    async def trace(_settings: object, query: TraceQuery, _share: object) -> Timeline:
        given.append(query)
        if isinstance(given[0], Exception):
            raise given[0]
        assert isinstance(given[0], Timeline)
        return given[0]

    monkeypatch.setattr("consumer.admin.trace.tracing.trace", trace)
    return given


def test_every_kind_of_row_is_printed_in_time_order(found: list[Any]) -> None:
    """Requests, retries, outcomes, dead letters and heads by time, then what is stored, then the answer."""
    found.append(WITH_PICTURE)
    done = CliRunner().invoke(app, ["trace", "a-1"])
    rows = done.stdout.splitlines()[1 : len(KINDS) + 1]

    assert done.exit_code == 0, done.output
    assert [next(what for what in KINDS if what in row) for row in rows] == list(KINDS)
    assert rows[0].split()[0] == clock(60)
    assert done.stdout.splitlines()[-1].startswith("hero of a-1 has its picture: https://cdn.example/m.png, announced")


KINDS = (
    "image-requested r-1 (hero, revision 1): finished",
    "ready r-1 (hero, revision 1): 1 picture [chosen]",
    "dead letter, open, of article-image-requested 3:1: engine_failed",
    "attempt 3 of r-1, due 2031-01-07T12:05:00Z: finished, because of The engine was killed (engine_failed)",
    "head of hero: revision 1 by request r-1; announced: 1",
    "picture: there, 5 bytes",
    "manifest: there",
    "renditions there: 1",
)


def test_files_that_are_not_there_are_named(found: list[Any]) -> None:
    """Each rendition that is gone or damaged has a row of its own."""
    found.append(timeline(outcomes=(ready(),), store=StoreFacts({**STATES, RENDITION: FileState.DAMAGED})))
    done = CliRunner().invoke(app, ["trace", "a-1"])

    assert done.exit_code == 1
    assert "rendition hero-960 avif: damaged" in done.stdout


def test_what_else_the_store_has_is_printed(found: list[Any]) -> None:
    """Pictures of the article that no outcome names, and what is marked as withdrawn."""
    uses = (StoredUse("hero", "ee" * 32, announced=True), StoredUse("teaser", "dd" * 32, announced=False))
    found.append(timeline(outcomes=(ready(),), store=StoreFacts(STATES, uses, {"": "w-1", "teaser": "w-2"})))
    printed = CliRunner().invoke(app, ["trace", "a-1"]).stdout

    assert printed.count("in no outcome that was read") == 1
    assert [line.split()[0] for line in printed.splitlines() if "stored for teaser" in line] == [
        manifest_key("dd" * 32)
    ]
    assert "all slots: marked as withdrawn by w-1" in printed
    assert "teaser: marked as withdrawn by w-2" in printed


def test_the_store_s_silence_is_said(found: list[Any]) -> None:
    """What the topics say is printed all the same."""
    found.append(timeline(outcomes=(ready(),), store=StoreFacts(problem="the store cannot be reached")))
    done = CliRunner().invoke(app, ["trace", "a-1"])

    assert done.exit_code == 0
    assert "picture: not looked up" in done.stdout
    assert "the store did not answer: the store cannot be reached" in done.stdout


def test_json_holds_every_record_and_file(found: list[Any]) -> None:
    """One object, its events in time order, with the answer."""
    found.append(WITH_PICTURE)
    told = json.loads(CliRunner().invoke(app, ["trace", "a-1", "--json"]).stdout)

    assert [event["type"] for event in told["events"]] == ["request", "outcome", "dead_letter", "request", "head"]
    assert told["events"][0]["place"] == {"topic": "article-image-requested", "partition": 3, "offset": 1}
    assert told["events"][1]["flags"] == ["chosen"]
    assert {file["key"]: file["state"] for file in told["files"]} == dict.fromkeys(STATES, "there")
    assert (told["article"], told["picture"]) == ("a-1", True)
    assert told["answer"].startswith("hero of a-1 has its picture")


def test_no_picture_is_status_1(found: list[Any]) -> None:
    """Also nothing at all; and text from outside cannot steer the terminal."""
    found.append(timeline(requests=(asked(standing=WAITING, request_id="\x1b[31m"),)))
    done = CliRunner().invoke(app, ["trace", "a-1"])

    assert done.exit_code == 1
    assert "\x1b" not in done.stdout
    found[0] = timeline(search=SearchFacts(home=3, partitions=(0, 1, 2, 3), elsewhere=True))
    done = CliRunner().invoke(app, ["trace", "a-1"])
    assert done.exit_code == 1
    assert "all partitions: there was nothing in 3" in done.stdout


@pytest.mark.parametrize("error", [BusError("no broker"), Fatal(Reason.MISCONFIGURED, "There is no topic x.")])
def test_what_could_not_be_found_out_is_status_2(found: list[Any], error: Exception) -> None:
    """A broker that does not answer, or a topic that is missing: a sentence, and no answer."""
    found.append(error)
    done = CliRunner().invoke(app, ["trace", "a-1"])

    assert done.exit_code == 2
    assert done.stdout == ""
    assert str(error) in done.stderr


@pytest.mark.parametrize("arguments", [[], ["a-1", "--request", "r-1"], ["a-1", "--since", "soon"]])
def test_wrong_usage_is_status_2(found: list[Any], arguments: list[str]) -> None:
    """An article or a request, not both and not neither; nothing is read."""
    assert CliRunner().invoke(app, ["trace", *arguments]).exit_code == 2
    assert found == []


def test_options_are_the_query(found: list[Any]) -> None:
    """Each option reaches the search."""
    found.append(timeline(outcomes=(outcome("failed"),)))
    options = ["--since", "2031-01-07T11:00:00Z", "--all-partitions", "--verify", "--timeout", "90s"]
    CliRunner().invoke(app, ["trace", "--request", "r-1", *options])

    assert found[1] == TraceQuery("", "r-1", 1_925_550_000_000, all_partitions=True, verify=True, seconds=90.0)
