"""The configuration reference, generated from the settings: `python -m consumer.settings.reference [--check]`.

Writes `docs/configuration.md` and the marked table of `README.md`; `--check` writes nothing, names what is out of date
and exits 1.
"""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consumer.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "configuration.md"
README = ROOT / "README.md"

FIRST_TO_SET: Final = (
    "LEADART_KAFKA__BOOTSTRAP_SERVERS",
    "LEADART_KAFKA__GROUP_ID",
    "LEADART_TOPICS__PREFIX",
    "LEADART_STORAGE__ENDPOINT_URL",
    "LEADART_STORAGE__BUCKET",
    "LEADART_STORAGE__ACCESS_KEY_ID",
    "LEADART_STORAGE__SECRET_ACCESS_KEY",
    "LEADART_STORAGE__PUBLIC_BASE_URL",
    "LEADART_ENGINE__KIND",
    "LEADART_ENGINE__MODEL",
    "LEADART_STYLES__FILE",
    "LEADART_HTTP__PORT",
)
"""What the README shows: the settings that hardly any installation leaves alone."""

_SECTION = re.compile(r"(<!-- settings: made by `make docs` -->\n).*?(<!-- end -->)", re.DOTALL)

_HEAD = """\
# Configuration

<!-- made by `make docs` from consumer/settings/; do not edit -->

A setting is an environment variable. `--env-file FILE` reads the same names from a file (`leadart dev` writes one); the
environment beats the file. An empty variable counts as not set, an unknown one is told and not used. When a value is
wrong, the command names every such variable and what it expected, and exits with status 2.

"""

_FOOT = """\
## Outside the settings

| Variable | What it says |
| --- | --- |
| `AWS_*` | Read by the S3 client where no access key is set above: the usual chain of environment, profile and role. |
| `LEADART_MAVEN_MIRROR` | Where the embedded broker's jars come from instead of Maven Central: demo, dev, tests. |
| `XDG_CACHE_HOME` | Those jars are kept below it, in `leadart/jars`; `~/.cache` where it is not set. |
"""

_WORDS: Final = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`"}
_FORMATS: Final = {"path": "path", "uri": "http(s) address", "password": "secret text"}

_Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its environment variable, its group's title, and its JSON Schema."""

    variable: str
    group: str
    schema: _Schema

    @property
    def value(self) -> str:
        """What may be written, with its bounds."""
        schema = self.schema
        if "enum" in schema:
            return ", ".join(f"`{choice}`" for choice in schema["enum"])
        kind: str = schema["type"]
        word = _FORMATS.get(schema.get("format", "")) or _WORDS.get(kind, kind)
        return ", ".join([word, *_range(schema), *_length(schema), *_pattern(schema)])

    @property
    def default(self) -> str:
        """What holds where nothing is written."""
        if "default" not in self.schema:
            return "made at start"
        return _literal(self.schema["default"])

    @property
    def description(self) -> str:
        """One or two sentences."""
        text: str = self.schema["description"]
        return text


def settings() -> Iterator[Setting]:
    """Walk all settings, group by group, in the order of their declaration."""
    tree = Settings.model_json_schema()
    for group, reference in tree["properties"].items():
        model = _resolve(tree, reference)
        for name, node in model["properties"].items():
            kind = _resolve(tree, next(kind for kind in node.get("anyOf", [node]) if kind != {"type": "null"}))
            variable = f"LEADART_{group}__{name}".upper()
            yield Setting(variable, model["description"], kind | node)


def reference() -> str:
    """Return the text of `docs/configuration.md`."""
    groups = [
        f"## {title.removesuffix('.')}\n\n{_table(list(members))}\n"
        for title, members in groupby(settings(), lambda setting: setting.group)
    ]
    return "".join([_HEAD, *groups, _FOOT])


def readme(text: str) -> str:
    """Return the README with its marked table made anew. Raises ValueError when the marks are missing."""
    by_name = {setting.variable: setting for setting in settings()}
    table = _table([by_name[variable] for variable in FIRST_TO_SET])
    text, count = _SECTION.subn(lambda match: f"{match[1]}\n{table}\n{match[2]}", text)
    if count != 1:
        raise ValueError("README.md has no place for the settings, or several")
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the two files; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m consumer.settings.reference", description="Make the configuration reference."
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    check = parser.parse_args(arguments).check
    documents = {REFERENCE: reference(), README: readme(README.read_text(encoding="utf-8"))}
    stale = [path for path, text in documents.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if check:
            sys.stderr.write(f"{path.name} is out of date: run `make docs`.\n")
        else:
            path.write_text(documents[path], encoding="utf-8")
    return int(check and bool(stale))


def _resolve(tree: _Schema, node: _Schema) -> _Schema:
    kind: _Schema = tree["$defs"][node["$ref"].rsplit("/", 1)[1]] if "$ref" in node else node
    return kind


def _range(schema: _Schema) -> Iterator[str]:
    if "minimum" in schema:
        yield f"{_plain(schema['minimum'])} to {_plain(schema['maximum'])}"
    elif "exclusiveMinimum" in schema:
        yield f"above {_plain(schema['exclusiveMinimum'])}, at most {_plain(schema['maximum'])}"


def _length(schema: _Schema) -> Iterator[str]:
    if "format" in schema:
        return
    shortest, longest = schema.get("minLength"), schema.get("maxLength")
    if shortest and longest:
        yield f"{shortest} to {longest} characters"
    elif longest:
        yield f"at most {longest} characters"


def _pattern(schema: _Schema) -> Iterator[str]:
    if "pattern" in schema:
        yield f"`{schema['pattern']}`"


def _literal(value: object) -> str:
    if value is None:
        return "none"
    return f"`{_plain(value)}`" if value != "" else "empty"


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _table(members: Sequence[Setting]) -> str:
    rows = [(f"`{member.variable}`", member.value, member.default, member.description) for member in members]
    lines = [("Variable", "Value", "Default", "What it says"), ("---",) * 4, *rows]
    escaped = [[cell.replace("|", r"\|") for cell in line] for line in lines]  # a bare bar would end its cell
    return "".join(f"| {' | '.join(line)} |\n" for line in escaped)


if __name__ == "__main__":
    sys.exit(main())
