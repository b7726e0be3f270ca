"""Colours that come off again."""

from __future__ import annotations

import click

from credward.text.styles import styled, unstyled


def test_colours_are_those_that_the_command_line_knows() -> None:
    """The same codes as click's, which colours the rest of our output."""
    assert styled("x", "bold") == click.style("x", bold=True)
    for colour in ("red", "green", "yellow", "cyan"):
        assert styled("x", colour) == click.style("x", fg=colour)
    assert styled("x", None) == "x"


def test_what_was_coloured_is_plain_again() -> None:
    """Also among other text."""
    assert unstyled(f"a {styled('b', 'red')} [1m c") == "a b [1m c"
