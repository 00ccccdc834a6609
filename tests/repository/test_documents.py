"""What the documents name is there: files, links, commands, settings, events."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main

from consumer.cli import app
from consumer.dev.demo import responsive
from consumer.kafka.request_file import parse_request_file
from consumer.settings import reference
from schemas import ANNOUNCEMENTS, cloudevents
from schemas.reader import parse_request
from schemas.topics import load_topics

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *(path for folder in ("docs", "ops", "schemas") for path in (ROOT / folder).rglob("*.md")),
]
OUTCOMES = {model.type: model for model in ANNOUNCEMENTS}
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROGRAMS = README + (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
MAKEFILE = ROOT / "Makefile"

LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:consumer|schemas|tests|docs|ops)/[\w./-]*")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def typed(text: str) -> set[str]:
    """Return what a document tells to type: the lines of its shell blocks and its inline code."""
    blocks = {line.strip() for block in BLOCK.findall(text) for line in block.splitlines() if line.strip()}
    return blocks | set(CODE.findall(text))


def commands() -> set[str]:
    root = typer.main.get_command(app)
    assert isinstance(root, typer.core.TyperGroup)
    return set(root.commands)


@each_document
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document has its file."""
    dead = [link for link in LINK.findall(document.read_text()) if not (document.parent / link).exists()]

    assert dead == []


@each_document
def test_named_files_exist(document: Path) -> None:
    """Every file and folder that a document names is in the tree."""
    named = {code.split("::")[0] for code in CODE.findall(document.read_text())}
    missing = [name for name in named if PATH.fullmatch(name) and not (ROOT / name).exists()]

    assert missing == []


@each_document
def test_named_settings_exist(document: Path) -> None:
    """Every setting that a document names is one."""
    known = {setting.variable for setting in reference.settings()}
    named = set(re.findall(r"LEADART_[A-Z]+__[A-Z0-9_]+", document.read_text()))

    assert named <= known


@each_document
def test_named_commands_exist(document: Path) -> None:
    """Every leadart command and every make target that a document names is one."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE.read_text(encoding="utf-8"), re.MULTILINE))
    known = {"leadart": commands(), "make": targets}
    words = [shlex.split(line)[:2] for line in typed(document.read_text()) if line.startswith(("leadart ", "make "))]
    unknown = [" ".join(pair) for pair in words if not pair[1].startswith("-") and pair[1] not in known[pair[0]]]

    assert unknown == []


def test_the_extras_that_are_told_to_install_exist() -> None:
    """Every extra that the README installs is one of the package's."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {extra for line in typed(README) for extra in re.findall(r"\.\[(\w+)\]", line)}

    assert named
    assert named <= set(extras)


def test_the_table_of_commands_is_complete() -> None:
    """The README lists the commands that there are, each once."""
    listed = re.findall(r"^\| `leadart (\S+)` \|", README, re.MULTILINE)

    assert sorted(listed) == sorted(commands())


def test_the_table_of_events_is_the_contract() -> None:
    """The README's table has every event type, on topics that carry it, and no other."""
    rows = re.findall(r"^\| `(org\.\S+)` \| (.+?) \|", README, re.MULTILINE)
    told = {event: set(re.findall(r"`(\S+)`", topics)) for event, topics in rows}
    carried: dict[str, set[str]] = {}
    for spec in load_topics():
        for event in spec.types:
            carried.setdefault(event, set()).add(spec.name)

    assert told.keys() == carried.keys()
    assert all(topics and topics <= carried[event] for event, topics in told.items())


def test_the_changelog_says_each_thing_once() -> None:
    """Merging two branches that both wrote in it repeats entries."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    entries = Counter(" ".join(entry.split()) for entry in re.findall(r"^- .*(?:\n  .*)*", text, re.MULTILINE))

    assert len(entries) > 100
    assert [entry for entry, count in entries.items() if count > 1] == []


def test_printed_programs_are_those_of_the_files() -> None:
    """A program that is changed in docs/clients is changed in the README or docs/clients.md too, and the reverse.

    The programs for HTML are only linked to: docs/cms/responsive.md prints what they make.
    """
    folder = ROOT / "docs" / "clients"
    files = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir() if file.stem != "responsive"}

    assert dict(re.findall(r"<!-- docs/clients/(\S+) -->\n```\w+\n(.*?)```\n", PROGRAMS, re.DOTALL)) == files


def test_the_program_to_copy_is_the_one_that_the_demo_runs() -> None:
    """docs/clients/responsive.py is the demo's own, which the tests know, letter by letter."""
    copy = ROOT / "docs" / "clients" / "responsive.py"

    assert copy.read_bytes() == Path(responsive.__file__).read_bytes()


def test_the_html_on_the_page_is_what_the_program_makes() -> None:
    """docs/cms/responsive.md prints the HTML of the example event, but for line breaks and what is shortened."""
    page = (ROOT / "docs" / "cms" / "responsive.md").read_text(encoding="utf-8")
    printed = [re.sub(r"\s*\n\s*", " ", block.strip()) for block in re.findall(r"```html\n(.*?)```", page, re.DOTALL)]
    event = ROOT / "schemas" / "examples" / "image-ready" / "v1" / "renditions.json"
    ready = json.loads(event.read_text(encoding="utf-8"))["data"]

    def shortened(file: Mapping[str, Any]) -> str:
        return f"…/{file['sha256'][:6]}.{file['key'].rpartition('.')[2]}"

    figure = responsive.figure(ready, sizes="(min-width: 64rem) 60rem, 100vw", first=True, address=shortened)
    made = [re.sub(r"url\(data:[^)]*\)", "url(data:…)", figure), responsive.social_tags(ready, address=shortened)]
    assert [re.sub(r">\s+<", "><", html) for html in printed] == [re.sub(r">\s+<", "><", html) for html in made]


def test_the_events_of_the_cms_pages_are_valid() -> None:
    """What a CMS developer copies from docs/cms is published by `leadart publish` and accepted; outcomes are complete.

    None of the fields is unknown.
    """
    pages = [page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "cms").glob("*.md")]
    written = [json.loads(block) for page in pages for block in re.findall(r"```json\n(.*?)```", page, re.DOTALL)]
    announced = [each for each in written if each.get("type", "") in OUTCOMES]
    published = [each for each in written if each not in announced]

    for each in published:
        data = each.get("data", each)
        headers, value = cloudevents.write(parse_request_file(json.dumps(each).encode()))
        _, request = parse_request(data["article"]["id"].encode(), headers, value)
        given = {name: value for name, value in data.items() if value is not None}
        assert request.model_dump(mode="json", exclude_unset=True) == given
    for each in announced:
        assert OUTCOMES[each["type"]].model_validate(each["data"]).model_dump(mode="json") == each["data"]
    assert len(published) >= 4


def test_the_documents_name_the_tested_kafkajs() -> None:
    """A reader who follows the documents installs the version of kafkajs that the test runs."""
    package = json.loads((ROOT / "tests" / "e2e" / "clients" / "package.json").read_text())

    assert set(re.findall(r"kafkajs@([\d.]*\d)", PROGRAMS)) == {package["dependencies"]["kafkajs"]}


def test_the_walk_of_one_event_names_what_is_there() -> None:
    """Each hop of docs/architecture/01 names a function, or a method of a class, of the file beside it."""
    walk = (ROOT / "docs" / "architecture" / "01-one-events-life.md").read_text(encoding="utf-8")
    hops = re.findall(r"^\| \d+ \| `(\S+\.py)` `([\w.]+)` \|", walk, re.MULTILINE)
    missing = []
    for file, name in hops:
        text = (ROOT / file).read_text(encoding="utf-8")
        owner, _, function = name.rpartition(".")
        if not re.search(rf"\bdef {function}\(", text) or (owner and f"class {owner}" not in text):
            missing.append(f"{file} {name}")

    assert len(hops) >= 19
    assert missing == []
