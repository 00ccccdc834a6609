"""What the delivery package imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import consumer.delivery

LANGUAGE = {"delivery", "jobs", "errors", "failpoints"}


def imported(file: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, also those for type checking."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            yield from (base + alias.name for alias in node.names)


def test_delivery_rests_on_the_language_alone() -> None:
    """No module imports more of the package than its language, not even for type checking."""
    names = [name for file in Path(consumer.delivery.__file__).parent.glob("*.py") for name in imported(file)]

    assert {name.split(".")[1] for name in names if name.startswith("consumer.")} == LANGUAGE
