"""`leadart policy check`, on files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from consumer.cli.root import app
from consumer.errors import Fatal

POLICY = """\
label = "desk"
[[rules]]
name = "trials"
when.words = ["trial"]
when.look_in = ["headline"]
never = true
message = "No pictures of trials."
[[rules]]
name = "war"
when.section = ["War"]
illustration_only = "illustration"
settle_seconds = 30
"""


@pytest.fixture(autouse=True)
def _file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("policy.toml").write_text(POLICY, encoding="utf-8")
    for name, fields in {
        "trial": {"headline": "The TRIAL"},
        "war": {"headline": "At the front", "section": "war"},
        "city": {"headline": "Harbour"},
        "none": {},
    }.items():
        request = {"article": {"id": name, "revision": 1, **fields}, "style": {"preset": "photorealistic"}}
        Path(f"{name}.json").write_text(json.dumps(request), encoding="utf-8")


def run(*arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(app, ["policy", "check", *arguments], input=text)


def test_the_rule_that_decides_is_shown_with_its_reason() -> None:
    """Which rule, what it does, what met its condition, and the editor's sentence."""
    result = run("policy.toml", "trial.json", "war.json", "city.json")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "trial.json: rule trials: declined; older saves end",
        "  because headline has 'TRIAL'",
        "  No pictures of trials.",
        "war.json: rule war: style illustration, waits 30 s for a newer save, unless interactive",
        "  because section is 'war'",
        "city.json: no rule: painted as requested",
    ]


def test_the_shipped_policy_has_a_name() -> None:
    """It is tried without copying it; a request may come from standard input."""
    draft = {"article": {"id": "a", "revision": 1, "headline": "Harbour", "status": "draft"}}
    result = run("newsroom", "-", text=json.dumps(draft))
    assert "rule drafts: declined; older saves get their pictures" in result.output


def test_programs_read_json() -> None:
    """One line a file, with everything that is decided."""
    facts = json.loads(run("policy.toml", "war.json", "--json").output)
    assert (facts["file"], facts["article"], facts["rule"]) == ("war.json", "war", "war")
    assert (facts["style"], facts["settle_seconds"], facts["why"]) == ("illustration", 30, ["section is 'war'"])


def test_a_file_that_is_no_request_is_named_and_the_others_are_checked() -> None:
    """The exit status says that one was wrong."""
    result = run("policy.toml", "none.json", "city.json")
    assert result.exit_code == 1
    assert "none.json: `article.headline` is missing" in result.stderr
    assert "city.json: no rule" in result.stdout


def test_a_mistake_in_the_policy_is_an_error() -> None:
    """With its line, before any request is read."""
    Path("policy.toml").write_text('label = "desk"\nrule = 1\n', encoding="utf-8")
    error = run("policy.toml", "city.json").exception
    assert isinstance(error, Fatal)
    assert error.message.startswith("policy.toml:2: rule: is not a key of the file: remove it, or use one of label,")


def test_a_trial_needs_a_policy() -> None:
    """A file, or the one that the settings name."""
    done = CliRunner().invoke(app, ["policy", "try"], env={"COLUMNS": "200"})

    assert done.exit_code == 2
    assert "name a policy file, or set LEADART_POLICY__FILE" in done.output
