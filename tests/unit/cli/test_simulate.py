"""`leadart simulate`."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner, Result

from consumer.cli import app


def simulate(*words: str) -> Result:
    return CliRunner().invoke(app, ["simulate", "--seconds-per-picture", "1", *words])


def test_it_says_who_waits_how_long() -> None:
    """Utilisation, waits of each lane, drain and starvation bound, and what was simulated."""
    done = simulate("--saves-per-day", "5000", "--backfill", "300", "--gpus", "2", "--hours", "1")

    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("2 GPU(s) in 1 worker(s); 1 s per picture of 12 steps")
    assert [line.split()[0] for line in lines[2:6]] == ["lane", "interactive", "live", "backfill"]
    findings = {line.split("  ")[0]: line for line in lines[6:]}
    assert "drained after 2 min" in findings["backfill"]
    assert "the bound is 256" in findings["starvation"]
    assert "Everything was simulated" in findings["how"]


def test_it_finds_how_many_gpus_it_takes() -> None:
    """Without --gpus it prints a table of tries and the fewest that suffice; --json has the same."""
    words = ("--saves-per-day", "5000", "--backfill", "2000", "--drain-within", "30m", "--hours", "1")
    done = simulate(*words)

    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].startswith("GPUs  utilisation")
    assert "Enough: 2 GPU(s)." in done.stdout
    assert "wanted within 30 min (formula)" in done.stdout
    figures = json.loads(simulate(*words, "--json").stdout)
    assert figures["answer"]["gpus"] == 2
    assert figures["answer"]["backfill_drained_seconds"] <= 1800
    assert figures["ruled_out_by_formula"]["gpus"] == 1


def test_a_goal_that_is_missed_is_the_exit_status() -> None:
    """With --gpus the goals are a check: 1 and a line that says what was not reached."""
    done = simulate("--backfill", "3000", "--gpus", "1", "--drain-within", "10m", "--hours", "1")

    assert done.exit_code == 1
    assert "not reached  drained after 50 min" in done.stdout


def test_an_impossible_load_is_one_sentence() -> None:
    """What is unstable ends at once, with a sentence that names a way out."""
    done = simulate("--saves-per-day", "1000000", "--gpus", "3")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "Unstable" in done.stderr
    assert "at least 12 GPU(s)" in done.stderr


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--gpus", "1"), "nothing to paint"),
        (("--backfill", "5", "--by", "Mon"), "write a weekday and a time"),
        (("--backfill", "5", "--drain-within", "60"), "write a number and its unit"),
        (("--backfill", "5", "--drain-within", "0s"), "above zero"),
        (("--backfill", "5", "--by", "Monday 08:00", "--drain-within", "60h"), "not both"),
        (("--saves-per-day", "5", "--drain-within", "60h"), "give --backfill"),
        (("--saves-per-day", "5", "--batch-size", "4", "--batch-speedup", "5"), "cannot be 5 times as fast"),
        (("--saves-per-day", "5", "--peak", "0.5"), "--peak"),
    ],
)
def test_mistakes_are_named(words: tuple[str, ...], sentence: str) -> None:
    """What cannot be meant is refused with what is expected, before anything is simulated."""
    done = simulate(*words)

    assert done.exit_code == 2
    assert sentence in " ".join(done.stderr.replace("│", " ").split())


def test_a_picture_takes_time() -> None:
    """Without its duration, or with one below a millisecond, nothing is simulated."""
    missing, nothing = (
        CliRunner().invoke(app, ["simulate", "--backfill", "1", *words])
        for words in ((), ("--seconds-per-picture", "0"))
    )

    assert (missing.exit_code, nothing.exit_code) == (2, 2)
    assert "say how long a picture takes" in missing.output
    assert "greater than or equal to 0.001" in " ".join(nothing.output.replace("│", " ").split())
