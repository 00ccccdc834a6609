"""Types that code generators make of the contract: they compile, and read every example of it without loss."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import schemas
from consumer.dev.embedded import EmbeddedMissing
from consumer.dev.embedded.jars import ensure_jars
from schemas.publish import event_schemas
from tests.support.absent import absent

FOLDER = Path(schemas.__file__).parent
PROGRAMS = Path(__file__).parent / "generators"
TITLES = {event_type: schema["title"] for event_type, schema in event_schemas().items()}
EXAMPLES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("examples/*/*/*.json"))]
UNKNOWN = {"mood", "desk"}
"""Fields of an example that no schema knows, as a later version might have."""
DATA = [(TITLES[event["type"]], event["data"]) for event in EXAMPLES]


def run(folder: Path, *command: str, environment: dict[str, str] | None = None) -> str:
    if shutil.which(command[0]) is None:
        absent(f"{command[0]} is not installed")
    done = subprocess.run(  # noqa: S603 - our own arguments
        command, cwd=folder, capture_output=True, text=True, timeout=180, check=False, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def made(javascript: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the types that Modelina, quicktype and json-schema-to-typescript make, and the examples."""
    folder = tmp_path_factory.mktemp("generators")
    shutil.copy(PROGRAMS / "generate.mjs", javascript)
    run(javascript, "node", "generate.mjs", str(FOLDER), str(folder))
    for number, (_, data) in enumerate(DATA):
        (folder / f"{number}.json").write_text(json.dumps(data), encoding="utf-8")
    return folder


def files() -> Iterable[tuple[str, str]]:
    return ((f"{number}.json", title) for number, (title, _) in enumerate(DATA))


def assert_read(lines: Sequence[str], times_each: int = 1) -> None:
    """Check that every example was read by every reader, and written again with all of its known fields."""
    assert len(lines) == len(DATA) * times_each
    for number, line in enumerate(lines):
        assert lost(DATA[number // times_each][1], json.loads(line)) == []


def lost(data: Any, read: Any, place: str = "data") -> list[str]:
    """Name what a reader did not keep; null may become absent, as may what is empty, but nothing else."""
    if isinstance(data, dict):
        kept = read if isinstance(read, dict) else {}
        return [found for n in data if n not in UNKNOWN for found in lost(data[n], kept.get(n), f"{place}.{n}")]
    if isinstance(data, list) and isinstance(read, list) and len(data) == len(read):
        return [found for old, new in zip(data, read, strict=True) for found in lost(old, new, place)]
    same = equal(data, read) or (not data and read is None)
    return [] if same else [f"{place}: {data!r} became {read!r}"]


def equal(data: Any, read: Any) -> bool:
    if data == read:
        return True
    try:
        return datetime.fromisoformat(data) == datetime.fromisoformat(read)
    except (TypeError, ValueError):
        return False


def test_java_reads_every_example(made: Path) -> None:
    """Modelina's and quicktype's classes compile; with Jackson they read and write each event."""
    try:
        jars, _ = ensure_jars()
    except EmbeddedMissing as missing:
        absent(missing.message)
    path = os.pathsep.join([*(str(jar) for jar in jars if "jackson" in jar.name), "."])
    sources = [str(source) for source in (made / "java").rglob("*.java")]
    run(made, "javac", "-proc:none", "-cp", path, "-d", ".", str(PROGRAMS / "Read.java"), *sources)
    arguments = [argument for pair in files() for argument in pair]
    assert_read(run(made, "java", "-cp", path, "Read", *arguments).splitlines(), 2)


def test_go_reads_every_example(made: Path) -> None:
    """Modelina's and quicktype's structs compile and read and write each event."""
    lines = (f"read({json.dumps(name)}, &modelina.{title}{{}}, &quicktype.{title}{{}})" for name, title in files())
    folder = made / "go"
    (folder / "go.mod").write_text("module contract\n\ngo 1.18\n", encoding="utf-8")
    (folder / "main.go").write_text(GO.replace("EXAMPLES", "\n\t".join(lines)), encoding="utf-8")
    environment = os.environ | {"GOFLAGS": "-mod=mod", "GOPROXY": "off", "GOTOOLCHAIN": "local"}
    assert_read(run(folder, "go", "run", ".", environment=environment).splitlines(), 2)


GO = """\
package main

import (
	"contract/modelina"
	"contract/quicktype"
	"encoding/json"
	"fmt"
	"os"
)

func read(name string, targets ...any) {
	data, err := os.ReadFile("../" + name)
	for _, target := range targets {
		if err == nil {
			err = json.Unmarshal(data, target)
		}
		if err != nil {
			panic(name + ": " + err.Error())
		}
		written, _ := json.Marshal(target)
		fmt.Println(string(written))
	}
}

func main() {
	EXAMPLES
}
"""


def test_typescript_reads_every_example(made: Path, javascript: Path) -> None:
    """Each event, and any list, is of json-schema-to-typescript's type; quicktype's converter reads each event."""
    folder = made / "typescript"
    imports = "\n".join(f'import type {{ {t} }} from "./jsonschema/{t}";' for t in sorted(TITLES.values()))
    typed = "\n".join(f"const e{n}: {title} = {json.dumps(data)};" for n, (title, data) in enumerate(DATA))
    reading = "\n".join(
        f"console.log(JSON.stringify(Convert.to{title}(JSON.stringify(e{number}))));"
        for number, (title, _) in enumerate(DATA)
    )
    (folder / "read.ts").write_text(f"{imports}\n{TYPESCRIPT}{typed}\n{reading}\n", encoding="utf-8")
    compiler = str(javascript / "node_modules" / "typescript" / "bin" / "tsc")
    options = ("--strict", "--target", "es2022", "--module", "commonjs", "--outDir", "made")
    run(folder, "node", compiler, *options, "read.ts")
    assert_read(run(folder, "node", "made/read.js").splitlines())


TYPESCRIPT = """\
import { Convert } from "./quicktype/events";
declare const console: any;
const list: string[] = [];
const withLists: ImageRequested = {
  article: { id: "a-1", revision: 1, tags: list }, brief: { subject_hints: list, avoid: list }, changed_fields: list,
};
"""


def test_python_reads_every_example(tmp_path: Path) -> None:
    """datamodel-codegen's Pydantic models read and write each event."""
    if find_spec("datamodel_code_generator") is None:
        absent("datamodel-code-generator is not installed")
    (tmp_path / "read.py").write_text(PYTHON, encoding="utf-8")
    arguments = [argument for title, data in DATA for argument in (title, json.dumps(data))]
    command = (sys.executable, "read.py", str(FOLDER / "events"), *arguments)
    assert_read(run(tmp_path, *command, environment=os.environ | {"PYTHONWARNINGS": "ignore"}).splitlines())


PYTHON = """\
import importlib, json, pathlib, sys
from datamodel_code_generator import DataModelType, InputFileType, generate

for path in pathlib.Path(sys.argv[1]).glob("*.json"):
    generate(
        path,
        input_file_type=InputFileType.JsonSchema,
        output_model_type=DataModelType.PydanticV2BaseModel,
        output=pathlib.Path(f"made_{json.loads(path.read_text())['title']}.py"),
    )
for title, data in zip(sys.argv[2::2], sys.argv[3::2]):
    model = getattr(importlib.import_module(f"made_{title}"), title)
    print(model.model_validate_json(data).model_dump_json())
"""


def test_csharp_classes_have_their_titles(made: Path) -> None:
    """Modelina makes a class of each object and nothing without a name; compiling takes Mono, which CI lacks."""
    classes = {path.stem: path.read_text(encoding="utf-8") for path in (made / "csharp").glob("*.cs")}
    objects = {t for s in event_schemas().values() for t, node in s["$defs"].items() if "enum" not in node}
    assert classes.keys() == {*TITLES.values(), *objects}
    assert all(f"public partial class {title}" in text for title, text in classes.items())
    assert "long revision" in classes["Article"]
    assert "System.DateTimeOffset? urlExpires" in classes["ReadyPicture"]
