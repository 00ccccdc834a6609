"""`python -m schemas.generate [--check | --release]`: generate files from the models.

Without an option, write them; `--check` exits 1 and names each file that differs; `--release` also saves a copy as the
released version, with which later changes are compared.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from schemas.asyncapi import asyncapi, asyncapi_for_generators
from schemas.names import dataschema
from schemas.publish import event_schemas
from schemas.tables import readme

FOLDER = Path(__file__).parent
EVENTS = FOLDER / "events"
RELEASED = FOLDER / "released"
README = FOLDER / "README.md"
SLOT_RULE = FOLDER / "slot.py"
"""The rule by which a slot shows its pictures; subscribers copy it from `docs/clients/`."""
CLIENTS = FOLDER.parent / "docs" / "clients"
RESPONSIVE = CLIENTS / "responsive.mjs"
"""The program that makes a site's HTML; the desk shows editors what it makes."""
DESK = FOLDER.parent / "consumer" / "gateway" / "static" / "desk"


def documents() -> dict[Path, str]:
    """Return the content of each generated file."""
    return {
        **schema_files(EVENTS),
        FOLDER / "asyncapi.yaml": asyncapi(),
        FOLDER / "asyncapi-3.0.yaml": asyncapi_for_generators(),
        README: readme(README.read_text(encoding="utf-8")),
        CLIENTS / "slot.py": SLOT_RULE.read_text(encoding="utf-8"),
        DESK / "slot" / "responsive.js": desk_module(RESPONSIVE.read_text(encoding="utf-8")),
    }


def desk_module(program: str) -> str:
    """Return a client program as a module of the desk, which has no packages: ThumbHash lies beside it."""
    package = 'from "thumbhash"'
    if package not in program:
        msg = f"{RESPONSIVE.name} does not import {package}: correct desk_module"
        raise ValueError(msg)
    return program.replace(package, 'from "../vendor/thumbhash.js"')


def schema_files(folder: Path) -> dict[Path, str]:
    """Return the schema files of all events, named by their `$id`."""
    return {
        folder / dataschema(event_type).rsplit("/", 1)[1]: json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        for event_type, schema in event_schemas().items()
    }


def differing() -> list[str]:
    """Return the generated files that are missing or out of date."""
    return [str(path.relative_to(FOLDER.parent)) for path, text in documents().items() if _text(path) != text]


def main(arguments: Sequence[str] | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=(__doc__ or "").split("\n", 1)[0])
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    choice.add_argument("--release", action="store_true", help="also save the schemas as released")
    options = parser.parse_args(arguments)
    if options.check:
        return _report(differing())
    _write(documents())
    if options.release:
        _write(schema_files(RELEASED))
    return 0


def _report(names: list[str]) -> int:
    for name in names:
        sys.stderr.write(f"{name} is out of date: run `make schemas` and commit it.\n")
    return 1 if names else 0


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
