from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import find
from hypothesis import strategies as st

from consumer.settings import Settings, load_settings, reference
from consumer.settings.reference import Setting

ALL = {setting.variable: setting for setting in reference.settings()}
ROW = re.compile(r"^\| `(LEADART_\w+__\w+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
TEXT = "debug"
"""Fits every setting of free text, `LEADART_LOG__LEVEL` with its own words included."""

SECRET = "secret of enough characters to sign with"

KAFKA = "LEADART_KAFKA__"
GATEWAY = "LEADART_GATEWAY__"
COMPANIONS = {
    # Said out loud, so that settings which only another protocol uses are no oversight.
    **{name: f"{KAFKA}SECURITY_PROTOCOL=PLAINTEXT" for name in ALL if name.startswith((f"{KAFKA}SASL", f"{KAFKA}SSL"))},
    **{
        name: f"{KAFKA}SSL_CERTFILE=own.pem\n{KAFKA}SECURITY_PROTOCOL=PLAINTEXT"
        for name in ALL
        if name.startswith(f"{KAFKA}SSL_KEY")
    },
    f"{GATEWAY}OIDC_ISSUER": f"{GATEWAY}OIDC_AUDIENCE=leadart\n{GATEWAY}OIDC_SOURCE=/cms/news",
    f"{GATEWAY}TLS_CERTFILE": f"{GATEWAY}TLS_KEYFILE=own.key",
    f"{GATEWAY}TLS_KEYFILE": f"{GATEWAY}TLS_CERTFILE=own.pem",
}
"""What has to be set beside a variable for it to be right."""

TEXTS = {f"{GATEWAY}PROXIES": "10.0.0.0/8", f"{GATEWAY}OIDC_ISSUER": "https://login.example.org"}
"""Settings of text that not any text fits."""


def another_value(setting: Setting, secret: Path) -> str:
    """Return a value that the reference allows and that is not the default; `secret` is a file that holds one."""
    if setting.variable.removesuffix("_FILE") in ALL and setting.variable.endswith("_FILE"):
        return str(secret)
    schema = setting.schema
    if "enum" in schema:
        return next(str(choice) for choice in schema["enum"] if choice != schema["default"])
    if schema["type"] == "boolean":
        return str(not schema["default"])
    if "maximum" in schema:
        return str(schema["minimum" if schema["default"] == schema["maximum"] else "maximum"])
    if "pattern" in schema:
        pattern = re.compile(schema["pattern"])  # of text: a string alone would do for bytes too
        fitting: str = find(st.from_regex(pattern, fullmatch=True), lambda value: bool(value != schema["default"]))
        return fitting
    return {"uri": "https://example.org/", "password": SECRET}.get(
        schema.get("format", ""), TEXTS.get(setting.variable, TEXT)
    )


def changed(settings: Settings) -> set[str]:
    """Return the variables whose values are not the defaults."""
    given, usual = settings.model_dump(), Settings().model_dump()
    return {
        f"LEADART_{group}__{name}".upper()
        for group, members in given.items()
        for name, value in members.items()
        if value != usual[group][name]
    }


@pytest.mark.parametrize("variable", ALL)
def test_each_documented_variable_sets_its_setting_and_no_other(variable: str, tmp_path: Path) -> None:
    """A variable written as the reference spells it changes exactly that setting; a secret's file, the secret too."""
    env_file, secret = tmp_path / "leadart.env", tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    companion = COMPANIONS.get(variable, "")
    env_file.write_text(f"{variable}={another_value(ALL[variable], secret)}\n{companion}\n")
    others = {variable.removesuffix("_FILE")} & ALL.keys()
    if variable.startswith("LEADART_TOPICS__") and "PREFIX" in variable:  # the default group carries them
        others |= {f"{KAFKA}GROUP_ID"}

    companions = {line.partition("=")[0] for line in companion.splitlines()}
    assert changed(load_settings(env_file)) - companions == {variable} | (others - companions)


def test_documented_defaults_change_nothing(tmp_path: Path) -> None:
    """Writing every documented default into an env file gives the settings of an empty one."""
    rows = {variable: default for variable, _, default, _ in ROW.findall(reference.reference())}
    written = {variable: default.strip("`") for variable, default in rows.items() if default.startswith("`")}
    env_file = tmp_path / "leadart.env"
    env_file.write_text("".join(f"{variable}={value}\n" for variable, value in written.items()))

    assert len(written) > 20
    assert load_settings(env_file) == Settings()


def test_every_setting_stands_in_the_reference_once() -> None:
    """The reference has one row for each setting there is, none without a value, a default and a description."""
    rows = ROW.findall(reference.reference())
    every = [f"LEADART_{group}__{name}".upper() for group, m in Settings().model_dump().items() for name in m]

    assert sorted(variable for variable, *_ in rows) == sorted(every)
    assert all(cell.strip() for row in rows for cell in row)


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    """As the reference says, an empty variable leaves the default."""
    env_file = tmp_path / "leadart.env"
    env_file.write_text("".join(f"{variable}=\n" for variable in ALL))

    assert load_settings(env_file) == Settings()


def test_the_environment_beats_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the reference says, a variable of the environment wins over the same one in the env file."""
    env_file = tmp_path / "leadart.env"
    env_file.write_text("LEADART_KAFKA__GROUP_ID=of-the-file\n")
    monkeypatch.setenv("LEADART_KAFKA__GROUP_ID", "of-the-environment")

    assert load_settings(env_file).kafka.group_id == "of-the-environment"


def test_the_committed_reference_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` finds nothing to do in this checkout; else run `make docs`."""
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_reference_is_named_and_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` names each file that is out of date and leaves it; without it they are written."""
    page, readme = tmp_path / "configuration.md", tmp_path / "README.md"
    readme.write_text("<!-- settings: generated by `make docs` -->\nold\n<!-- end -->\n")
    monkeypatch.setattr(reference, "REFERENCE", page)
    monkeypatch.setattr(reference, "README", readme)

    assert reference.main(["--check"]) == 1
    complaint = capsys.readouterr().err
    assert "configuration.md is out of date" in complaint
    assert "README.md is out of date" in complaint
    assert "old" in readme.read_text()
    assert not page.exists()
    assert reference.main([]) == 0
    assert page.read_text() == reference.reference()
    assert "LEADART_STORAGE__BUCKET" in readme.read_text()
    assert reference.main(["--check"]) == 0


def test_a_readme_without_the_marks_is_an_error() -> None:
    """A README that lost its place for the settings is not passed over in silence."""
    with pytest.raises(ValueError, match="no place"):
        reference.readme("# leadart\n")
