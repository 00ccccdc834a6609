"""The desk's modules without a browser: node imports one and calls what it exports."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.absent import absent

DESK = Path(__file__).resolve().parents[2] / "consumer" / "gateway" / "static" / "desk"

_PROGRAM = """\
import { text } from "node:stream/consumers";
const [module, calls] = JSON.parse(await text(process.stdin));
const exported = await import(module);
const answer = ([name, args]) => {
  try { return { value: exported[name](...args) ?? null }; } catch (error) { return { error: error.message }; }
};
console.log(JSON.stringify(calls.map(answer)));
"""


def called(module: str, calls: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
    """Return what each call of the module, named below the desk's folder, returns."""
    node = shutil.which("node")
    if node is None:
        absent("node is not installed (Debian: apt-get install nodejs)")
    done = subprocess.run(  # noqa: S603 - node itself
        [node, *_OPTIONS, _PROGRAM],
        input=json.dumps([(DESK / module).as_uri(), list(calls)]),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers = json.loads(done.stdout)
    assert all("value" in answer for answer in answers), answers
    return [answer["value"] for answer in answers]


_OPTIONS = ("--no-warnings", "--experimental-default-type=module", "--input-type=module", "-e")
_SCRIPT = """\
import { text } from "node:stream/consumers";
const given = JSON.parse(await text(process.stdin));
"""


def ran(program: str, given: Any) -> Any:
    """Return the default export of a module that lies, for its imports, in the desk's folder; it finds `given`."""
    node = shutil.which("node")
    if node is None:
        absent("node is not installed (Debian: apt-get install nodejs)")
    local = program.replace('from "./', f'from "{DESK.as_uri()}/').replace("export default", "const result =")
    done = subprocess.run(  # noqa: S603 - node itself
        [node, *_OPTIONS, f"{_SCRIPT}{local}\nconsole.log(JSON.stringify(result));"],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
