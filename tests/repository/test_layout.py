"""`tests/unit` mirrors what it tests."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
ELSEWHERE = {"schemas": ROOT / "schemas", "demo_model": ROOT / "ops" / "demo-model", "chaos": ROOT / "tests" / "chaos"}


def package_of(test: Path) -> Path:
    """Return the folder whose modules the test's folder is about."""
    first, *rest = [*test.parent.relative_to(UNIT).parts, ""]
    return ELSEWHERE.get(first, ROOT / "consumer" / first).joinpath(*rest)


def test_each_unit_test_lies_where_its_module_lies() -> None:
    """`tests/unit/a/test_b.py` and `test_b_when_c.py` are about `consumer/a/b.py`, or about the package `a` itself."""
    astray = []
    for test in UNIT.rglob("test_*.py"):
        package = package_of(test)
        subject = test.stem.removeprefix("test_") + "_"
        modules = {module.stem for module in package.glob("*.py")} | {package.name}
        if not any(subject.startswith(f"{module}_") for module in modules):
            astray.append(str(test.relative_to(ROOT)))

    assert astray == []
