"""Which credential counts when none is named, as people are told."""

from __future__ import annotations

import pytest

from credward.cli.active import active_name, explain


def test_what_the_daemon_chose_is_said_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """None, if it chose none."""
    monkeypatch.delenv("CREDWARD_CREDENTIAL", raising=False)

    assert (active_name("work"), explain("work", "the only one")) == ("work", "work (the only one)")
    assert (active_name(None), explain(None, "")) == (None, None)


def test_the_name_of_a_folder_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is part of the reason, and whoever made the folder chose it."""
    monkeypatch.delenv("CREDWARD_CREDENTIAL", raising=False)

    assert explain("work", "chosen in /\x1b[2J") == "work (chosen in /\ufffd[2J)"


def test_a_variable_of_this_shell_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """And shows no control characters; an empty one is not set."""
    monkeypatch.setenv("CREDWARD_CREDENTIAL", "spare\x1b[2J")

    assert active_name("work") == "spare\x1b[2J"
    assert explain("work", "the only one") == "spare\ufffd[2J (CREDWARD_CREDENTIAL of this shell)"
    monkeypatch.setenv("CREDWARD_CREDENTIAL", "")
    assert active_name("work") == "work"
