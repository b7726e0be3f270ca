"""Which program starts the daemon. The programs themselves: tests/integration/test_start."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.starting import programs
from credward.starting.programs import unit_is_installed


@pytest.mark.parametrize("place", ["config/systemd/user", "home/.local/share/systemd/user"])
def test_a_unit_is_looked_for_in_the_accounts_own_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Where people and packages put it, for this user."""
    monkeypatch.setattr(programs, "_SYSTEM_UNITS", ())
    before = unit_is_installed(tmp_path / "home", tmp_path / "config")
    unit = tmp_path / place / "credward.socket"
    unit.parent.mkdir(parents=True)
    unit.touch()

    assert not before
    assert unit_is_installed(tmp_path / "home", tmp_path / "config")


def test_without_a_manager_it_is_started_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS, and in a container."""
    monkeypatch.setattr(programs, "_MANAGERS", ("/nowhere/systemctl",))

    assert programs.run_manager({}) is False
