"""What ruff does not know of the house style."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 350
LONGEST_FUNCTION = 30

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in chain.from_iterable((ROOT / folder).rglob("*.py") for folder in folders):
        yield path, ast.parse(path.read_text())


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def test_every_test_says_what_it_expects() -> None:
    """Each test carries the behaviour that it expects as one sentence."""
    silent = [
        f"{path.name}:{function.lineno} {function.name}"
        for path, tree in modules("tests")
        for function in functions(tree)
        if function.name.startswith("test_") and not (ast.get_docstring(function) or "").endswith(".")
    ]

    assert silent == []


def test_files_and_functions_stay_small() -> None:
    """No file of the product is over 350 lines, no function over 30; a command's many options do not count."""
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for path, tree in modules("consumer", "schemas")
        for function in functions(tree)
        if (function.end_lineno or 0) - function.body[0].lineno >= LONGEST_FUNCTION
    ]
    long += [
        str(path) for path, _ in modules("consumer", "schemas") if len(path.read_text().splitlines()) > LONGEST_FILE
    ]

    assert long == []


def test_a_class_name_stands_for_one_thing() -> None:
    """No two classes of the product share a name."""
    names = Counter(
        node.name
        for _, tree in modules("consumer", "schemas")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )

    assert [name for name, count in names.items() if count > 1] == []


CHANGING = frozenset({"now", "utcnow", "today", "time", "time_ns", "monotonic", "uuid1", "uuid4", "urandom"})
"""Functions whose answer is another at each call."""


def collected(tree: ast.Module) -> Iterator[ast.AST]:
    """Return what runs when a test module is collected: its statements and decorators, not the functions' bodies."""
    for statement in tree.body:
        if isinstance(statement, ast.ClassDef):
            continue
        parts = statement.decorator_list if isinstance(statement, Function) else [statement]
        yield from chain.from_iterable(map(ast.walk, parts))


def test_tests_are_the_same_whenever_they_are_collected() -> None:
    """No module of tests looks at the clock while it is read: each process would collect others, or run too late."""
    looking = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, tree in modules("tests")
        for node in collected(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in CHANGING
    ]

    assert looking == []


def test_tests_do_not_sleep_for_luck() -> None:
    """A test waits for a condition under a bound; a sleep of a second or more is a guess about the machine."""
    guesses = [
        f"{path.name}:{node.lineno}"
        for path, tree in modules("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "asyncio.sleep"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, int | float)
        and node.args[0].value >= 1
    ]

    assert guesses == []


def test_what_runs_alone_is_found_where_it_is_looked_for() -> None:
    """`make test` looks for tests marked `alone` in two folders, to collect the others once."""
    marked = {
        path.relative_to(ROOT / "tests").parts[0]
        for path, tree in modules("tests")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "pytest.mark.alone"
    }

    assert marked == {"e2e", "integration"}
