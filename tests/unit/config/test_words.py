"""What is wrong with one table, at its place and in the words of TOML."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest

from credward.config.layers import Complaints, Layer
from credward.config.locate import Locator
from credward.config.words import convert


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table below the table."""

    colour: Literal["red", "green"] = "red"
    size: Annotated[int, msgspec.Meta(ge=1)] = 1


class Outer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With every way in which a table may lie below another."""

    name: str
    one: Inner | None = None
    many: list[Inner] = []
    named: dict[str, Inner] = {}
    free: dict[str, Any] = {}
    either: Annotated[Inner | str, msgspec.Meta(title="x")] = ""
    words: tuple[Literal["a", "b"], ...] = ()


def complaints(**table: object) -> list[str]:
    layer = Layer(path=Path("c.toml"), system=False, data={}, locator=Locator(""))
    found = Complaints()
    value = convert(lambda inner: (layer, ("t", *inner)), table, Outer, found)
    assert (value is None) == bool(found.errors)
    return [each.removeprefix("c.toml:1: ") for each in found.errors]


def test_what_fits_is_converted() -> None:
    """Tables that are free to hold anything do."""
    assert complaints(name="x", one={"size": 2}, free={"colr": {"siz": 1}}, words=["a"]) == []


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ({"one": {"colur": "red"}}, "one.colur"),
        ({"many": [{}, {"colur": "red"}]}, "many.1.colur"),
        ({"named": {"x": {"colur": "red"}}}, "named.x.colur"),
        ({"either": {"colur": "red"}}, "either.colur"),
    ],
)
def test_an_unknown_key_is_guessed_however_deep(table: dict[str, Any], path: str) -> None:
    """By what may stand in that table, not in the one above."""
    assert complaints(name="x", **table) == [f't.{path}: unknown key "colur", perhaps "colour"']


def test_all_unknown_keys_are_told() -> None:
    """What they leave missing is not: it was only misspelt."""
    assert complaints(nam="x", one={"siz": 1}) == [
        't.nam: unknown key "nam", perhaps "name"',
        't.one.siz: unknown key "siz", perhaps "size"',
    ]


@pytest.mark.parametrize(
    ("table", "text"),
    [
        ({}, 't: "name" is missing'),
        ({"name": 1}, "t.name: must be a text in quotes, not a whole number"),
        (
            {"name": "x", "one": 7},
            "t.one: must be a table such as { … }, not a whole number",
        ),
        (
            {"name": "x", "one": {"colour": "blue"}},
            't.one.colour: no "blue": one of "green", "red"',
        ),
        (
            {"name": "x", "many": [{"colour": "blue"}]},
            't.many.0.colour: no "blue": one of "green", "red"',
        ),
        ({"name": "x", "words": ["c"]}, 't.words.0: no "c": one of "a", "b"'),
        ({"name": "x", "one": {"size": 0}}, "t.one.size: must be at least 1"),
    ],
)
def test_a_value_that_does_not_fit(table: dict[str, Any], text: str) -> None:
    """What it is, and what it should be."""
    assert complaints(**table) == [text]
