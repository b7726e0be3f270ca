"""Fixtures of the integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.daemon import DaemonFactory, RunningDaemon


@pytest.fixture
def start_daemon(tmp_path: Path) -> Iterator[DaemonFactory]:
    """Start daemons with a configuration text; all of them end with the test."""
    running: list[RunningDaemon] = []

    def start(
        config: str, *arguments: str, environ: dict[str, str] | None = None, wait: bool = True
    ) -> RunningDaemon:
        home = tmp_path / f"home{len(running)}"
        home.mkdir()
        daemon = RunningDaemon(home, config, environ=environ)
        running.append(daemon)
        return daemon.start(*arguments, wait=wait)

    yield start
    for daemon in running:
        daemon.clean()
