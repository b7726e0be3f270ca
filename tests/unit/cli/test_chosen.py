"""The same order as the daemon's, for the folder in which the command is typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward import wire
from credward.callers.programs import CLAUDE_CODE
from credward.cli.chosen import chosen_here
from unit.issuing.test_choices import config


def test_the_choice_for_the_agent_and_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not that of another folder."""
    monkeypatch.chdir(tmp_path)
    told = wire.ChoiceList(
        choices=[
            wire.Choice(credential="home"),
            wire.Choice(credential="work", folder=str(tmp_path), agent=CLAUDE_CODE),
            wire.Choice(credential="spare", folder="/elsewhere", agent=CLAUDE_CODE),
        ]
    )
    found = chosen_here(config("home", "work", "spare"), told, CLAUDE_CODE)

    assert found.credential is not None
    assert found.credential.name == "work"
    assert found.because == f"chosen for claude in {tmp_path} by credward use"
