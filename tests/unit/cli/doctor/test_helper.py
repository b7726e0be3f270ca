"""What is said about the helper itself; it is run in tests/integration/test_doctor."""

from pathlib import Path

import pytest

from credward import __version__
from credward.cli.doctor.helper import about
from credward.cli.helper_probe import Build

HELPER = Path("/x/credward-helper")


@pytest.mark.parametrize(
    ("kind", "mark", "words"),
    [
        ("static musl", "ok", "/x/credward-helper (static musl)"),
        ("dynamic libc", "ok", "/x/credward-helper (dynamic libc)"),
        ("", "ok", "/x/credward-helper"),
        (
            "static glibc",
            "warn",
            "takes about 1.5 times as long for each request: install musl-gcc",
        ),
        ("dynamic glibc", "warn", "takes about 2 times as long for each request: install musl-gcc"),
        ("Python", "warn", "takes about 200 times as long for each request: install musl-gcc"),
    ],
)
def test_a_slow_helper_is_named_with_its_price(kind: str, mark: str, words: str) -> None:
    """And what to install; where there is no quicker one nothing is said."""
    found = about(HELPER, Build(version=__version__ if kind else "", kind=kind))

    assert found.mark == mark
    assert words in found.text


def test_a_helper_of_another_version_is_a_broken_link() -> None:
    """Half of an installation was replaced."""
    found = about(HELPER, Build(version="0.0.9", kind="static musl"))

    assert found.mark == "fail"
    assert f"is version 0.0.9, and this is {__version__}: run pip install" in found.text
