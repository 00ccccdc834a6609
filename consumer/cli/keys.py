"""`leadart keys`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from consumer.cli.shared import (
    DRY_RUN,
    AsJson,
    EnvFile,
    Execute,
    complaints,
    lay_out,
    printable,
    say,
    settings_from,
    time_span,
)
from consumer.errors import Fatal
from consumer.gateway.access.principal import Scope
from schemas import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from consumer.gateway.access.key_file import ApiKey

commands = typer.Typer(no_args_is_help=True, help="The API keys of the HTTP gateway.")

KeyId = Annotated[str, typer.Argument(help="The key's id.", show_default=False)]


@commands.command("create")
def keys_create(
    source: Annotated[str, typer.Option(help="CloudEvents source of what it publishes, such as /cms/newsroom.")],
    scope: Annotated[list[Scope], typer.Option(help="What it may do; repeat for more.")],
    article: Annotated[
        list[str] | None, typer.Option(help="Ids of articles it may name, or patterns such as 'news-*'; default: all.")
    ] = None,
    note: Annotated[str, typer.Option(help="Who has it.")] = "",
    expires: Annotated[
        timedelta | None, typer.Option(parser=time_span, help="How long it is good for; default: until revoked.")
    ] = None,
    requests_per_second: Annotated[
        float | None, typer.Option(min=0.001, help="Instead of LEADART_GATEWAY__REQUESTS_PER_SECOND.")
    ] = None,
    pictures_per_day: Annotated[
        int | None, typer.Option(min=0, help="Instead of LEADART_GATEWAY__PICTURES_PER_DAY.")
    ] = None,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Add a key, and print it: it is shown this once, and its hash alone is kept."""
    from consumer.gateway.access.key_changes import added, change_keys
    from consumer.gateway.access.key_file import make_key

    if not source.strip() or not source.isprintable() or len(source) > 200:
        raise typer.BadParameter("give 1 to 200 printable characters", param_hint="--source")
    key, token = make_key(source, scope, note, article or ("*",))
    key = key.model_copy(
        update={
            "expires": None if expires is None else key.created + expires,
            "requests_per_second": requests_per_second,
            "pictures_per_day": pictures_per_day,
        }
    )
    change_keys(_file(env_file), lambda keys: added(keys, key))
    _say_new(key, token, as_json=as_json)


@commands.command("list")
def keys_list(env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """List the keys with their rights, without their secrets."""
    from consumer.gateway.access.key_file import read_keys

    keys, now = read_keys(_file(env_file)).keys, datetime.now(UTC)
    if as_json:
        print(json.dumps({"keys": [_row(key) for key in keys]}))
        return
    if not keys:
        say("there are no keys: `leadart keys create` makes one")
        return
    table = Table("id", "source", "scopes", "articles", "created", "expires", "requests/s", "pictures/day", "note")
    for key in keys:
        expires = "never" if key.expires is None else _moment(key.expires) if key.is_valid(now) else "expired"
        limits = (key.requests_per_second, key.pictures_per_day)
        cells = (key.id, key.source, ", ".join(_scopes(key)), " ".join(key.articles), _moment(key.created), expires)
        table.add_row(
            *(printable(cell) for cell in cells),
            *("" if limit is None else f"{limit:g}" for limit in limits),
            printable(key.note),
        )
    lay_out(table)


@commands.command("revoke")
def keys_revoke(
    key_ids: Annotated[list[str], typer.Argument(help="Ids of keys.", metavar="ID...", show_default=False)],
    env_file: EnvFile = None,
    execute: Execute = False,
) -> None:
    """Remove keys: a running gateway refuses them, their sessions and their tokens seconds later."""
    from consumer.gateway.access.key_changes import change_keys, key_of, revoked
    from consumer.gateway.access.key_file import read_keys

    file = _file(env_file)
    keys = read_keys(file)
    found = [key_of(keys, key_id) for key_id in key_ids]
    if execute:
        change_keys(file, lambda keys: revoked(keys, key_ids))
    for key in found:
        say(f"{'revoked' if execute else 'would revoke'}  {printable(_in_words(key))}")
    if not execute:
        say(DRY_RUN)


@commands.command("rotate")
def keys_rotate(
    key_id: KeyId,
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=time_span, help="How long the old key stays good beside the new one.", show_default="7 days"
        ),
    ] = timedelta(days=7),
    env_file: EnvFile = None,
    execute: Execute = False,
    as_json: AsJson = False,
) -> None:
    """Make a key with the same rights, print it, and let the old one expire."""
    from consumer.gateway.access.key_changes import change_keys, key_of, rotated
    from consumer.gateway.access.key_file import read_keys, renewed

    file, now = _file(env_file), datetime.now(UTC)
    old, ends = key_of(read_keys(file), key_id), now + overlap
    if not execute:
        say(f"would replace  {printable(_in_words(old))}, which would expire at {_moment(ends)}")
        say(DRY_RUN)
        return
    successor, token = renewed(old, now)
    change_keys(file, lambda keys: rotated(keys, key_id, successor, ends))
    _note(f"{key_id} expires at {_moment(ends)}: give out the new key until then")
    _say_new(successor, token, as_json=as_json)


def _file(env_file: Path | None) -> Path:
    file = settings_from(env_file).gateway.keys_file
    if file is None:
        raise Fatal(Reason.MISCONFIGURED, "No key file is set: name one in LEADART_GATEWAY__KEYS_FILE.")
    return file


def _say_new(key: ApiKey, token: str, *, as_json: bool) -> None:
    """Print the key alone on standard output, for a pipe into a secret store."""
    if as_json:
        print(json.dumps({**_row(key), "key": token}))
        return
    _note(f"made  {printable(_in_words(key))}; the key is shown this once")
    print(token)


def _note(sentence: str) -> None:
    """Print to standard error what is no part of the output."""
    complaints.print(sentence, soft_wrap=True)


def _row(key: ApiKey) -> dict[str, Any]:
    return {**key.model_dump(mode="json", exclude={"sha256"}), "scopes": _scopes(key)}


def _in_words(key: ApiKey) -> str:
    return f"{key.id}  {key.source}, {', '.join(_scopes(key))}{f' ({key.note})' if key.note else ''}"


def _scopes(key: ApiKey) -> list[str]:
    return [scope.value for scope in Scope if scope in key.scopes]


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
