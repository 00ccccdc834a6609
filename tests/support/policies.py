"""The editorial policy of a test's site."""

from __future__ import annotations

from pathlib import Path

DESK_POLICY = """\
label = "desk-1"

[[rules]]
name = "courts"
when.section = ["Courts"]
needs_approval = true
message = "Court reports need an editor's approval."

[[rules]]
name = "obituaries"
when.section = ["Obituaries"]
never = true
message = "Obituaries get no generated picture."
"""


def policy_settings(folder: Path, policy: str = DESK_POLICY) -> dict[str, str]:
    """Write a policy into the folder, and return the setting that names its file."""
    file = folder / "policy.toml"
    file.write_text(policy, encoding="utf-8")
    return {"POLICY__FILE": str(file)}
