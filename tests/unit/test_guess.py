"""The name that was meant."""

from __future__ import annotations

from credward.guess import guess


def test_the_nearest_is_guessed() -> None:
    """One, and only where it is near."""
    assert guess("gatway", ["gateway", "search"]) == ', perhaps "gateway"'
    assert guess("whatever", ["gateway", "search"]) == ""
    assert guess("gatway", []) == ""


def test_a_few_are_listed_where_none_is_near() -> None:
    """If whoever complains wants that; many would be read by nobody."""
    assert guess("dir", ["path", "directory"], listed=True) == ": one of directory, path"
    assert guess("dirctory", ["path", "directory"], listed=True) == ', perhaps "directory"'
    assert guess("dir", [f"key-{number}" for number in range(9)], listed=True) == ""
    assert guess("dir", [], listed=True) == ""
