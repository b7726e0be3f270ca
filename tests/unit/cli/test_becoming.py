"""Which `credward get` is left to the native helper; the rest is read by the command itself."""

from __future__ import annotations

import pytest

from credward.cli.becoming import plain


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], []),
        (["gateway"], ["gateway"]),
        (["gateway", "--format", "json"], ["--format", "json", "gateway"]),
        (["--format=json", "gateway"], ["--format", "json", "gateway"]),
        (["a.b_c-9", "--no-start"], ["--no-start", "a.b_c-9"]),
        (["--base-url", "https://a?b=c"], ["--base-url", "https://a?b=c"]),
    ],
)
def test_the_usual_question_is_the_helpers(words: list[str], arguments: list[str]) -> None:
    """In its words."""
    assert plain(words) == arguments


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["-h"],
        ["gateway", "--fresh"],
        ["gateway", "--min-remaining", "900"],
        ["gateway", "--audience", "x"],
        ["gateway", "other"],
        ["gateway", "--format"],
        ["gateway", "--format", "--no-start"],
        ["gateway", "--format="],
        ["../gateway"],
        [""],
        ["-"],
        ["ü"],
        ["x" * 65],
        ["--", "gateway"],
    ],
)
def test_what_the_helper_does_not_do_stays(words: list[str]) -> None:
    """Errors too: the command says them in its own words."""
    assert plain(words) is None
