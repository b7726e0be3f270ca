"""Whose the state directory may be."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest

from credward.errors import BrokerError, Kind
from credward.store.state_dir import prepare_state_dir


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o701])
def test_s11_a_state_directory_that_others_can_read_is_mended_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int
) -> None:
    """S11: nobody else could have changed anything in it, so it is enough to shut it."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    with caplog.at_level(logging.WARNING):
        prepare_state_dir(state)

    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    (record,) = caplog.records
    assert f"had mode {mode:04o}" in record.getMessage()
    assert str(state) in record.getMessage()
    prepare_state_dir(state)
    assert len(caplog.records) == 1


def test_s11_a_state_directory_that_is_no_directory_is_refused(tmp_path: Path) -> None:
    """S11: whatever else has its name."""
    os.mkfifo(tmp_path / "state")
    with pytest.raises(BrokerError, match=r"state directory .* cannot be made"):
        prepare_state_dir(tmp_path / "state")


def test_refuses_a_state_directory_that_others_can_write(tmp_path: Path) -> None:
    """Whoever can write beside the lock can replace it."""
    shared = tmp_path / "state"
    shared.mkdir()
    shared.chmod(0o777)

    with pytest.raises(BrokerError) as caught:
        prepare_state_dir(shared)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert f"chmod 0700 {shared}" in caught.value.message


def test_who_has_no_log_shuts_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A starter leaves that to the daemon; what others can write it refuses as well."""
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    with caplog.at_level(logging.WARNING):
        prepare_state_dir(state, shut=False)

    assert stat.S_IMODE(state.stat().st_mode) == 0o755
    assert caplog.records == []
    state.chmod(0o775)
    with pytest.raises(BrokerError, match="is open to others"):
        prepare_state_dir(state, shut=False)
