"""The `schemas` package as a whole: light enough for any publisher or subscriber."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files

LIST_MODULES = """
import importlib, pkgutil, sys
before = set(sys.modules)
import schemas
for module in pkgutil.iter_modules(schemas.__path__):
    importlib.import_module(f"schemas.{module.name}")
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))
"""


def test_it_needs_pydantic_and_yaml_only() -> None:
    """Importing all of it brings in neither the worker nor its heavy libraries."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-c", LIST_MODULES], capture_output=True, text=True, timeout=60, check=True
    )
    runtime_of_pyyaml = {"cython_runtime"}
    loaded = {name for name in done.stdout.split() if not name.startswith("_")} - runtime_of_pyyaml
    needed = {"schemas", "pydantic", "pydantic_core", "yaml"}
    brought_by_pydantic = {"annotated_types", "typing_extensions", "typing_inspection"}
    assert needed <= loaded <= needed | brought_by_pydantic


def test_it_is_typed() -> None:
    """Type checkers of other projects see the annotations."""
    assert files("schemas").joinpath("py.typed").is_file()
