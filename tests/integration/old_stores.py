"""Stores that earlier versions wrote, put where a daemon looks for its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from integration.daemon import RunningDaemon

__all__ = ["put_store"]

_STORES = Path(__file__).parent / "stores"


def put_store(daemon: RunningDaemon, name: str) -> None:
    """Give a daemon that is not started yet the store *name*, with its key."""
    daemon.state_dir.mkdir(parents=True, mode=0o700)
    for file, place in (
        ("store.sealed", daemon.state_dir),
        ("store.key", daemon.config_file.parent),
    ):
        shutil.copy(_STORES / name / file, place / file)
        (place / file).chmod(0o600)
