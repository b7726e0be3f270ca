"""Source and tests mirror each other, and a test says so."""

from __future__ import annotations

from repository.tree import BROKER, TESTS, listed_reasons, modules

UNTESTED = listed_reasons("untested.txt")


def test_every_module_has_its_test() -> None:
    """`x/y.py` is tested by `tests/unit/x/test_y.py`, or is listed with a reason."""
    missing = [
        name
        for name, path in ((str(path.relative_to(BROKER)), path) for path in modules())
        if name not in UNTESTED
        and not (TESTS / "unit" / path.relative_to(BROKER).parent / f"test_{path.name}").exists()
    ]

    assert missing == []


def test_every_unit_test_has_its_module() -> None:
    """A test whose module was renamed would test something else unnoticed."""
    unit = TESTS / "unit"
    orphans = [
        str(relative)
        for relative in (path.relative_to(unit) for path in sorted(unit.rglob("test_*.py")))
        if relative.parts[0] != "helpers"
        and not (BROKER / relative.parent / relative.name.removeprefix("test_")).exists()
    ]

    assert orphans == []


def test_the_list_of_exceptions_is_true() -> None:
    """Each module on it exists, has no test of its own, and has a reason."""
    wrong = [
        name
        for name, reason in UNTESTED.items()
        if not reason
        or not (BROKER / name).exists()
        or (TESTS / "unit" / name).with_name(f"test_{name.rpartition('/')[2]}").exists()
    ]

    assert wrong == []
