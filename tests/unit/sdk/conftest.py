"""What tests of the hooks for SDKs share: this process has a home of its own, and a canned daemon answers."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fakes.daemon import CannedDaemon, answer


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An environment as of a new user, who starts no daemon; its path leaves room for a socket's."""
    path = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
    for name in tuple(os.environ):
        if name.startswith(
            ("ANTHROPIC_", "AWS_", "CLAUDE", "CREDWARD_", "GOOGLE_", "SSL_", "XDG_")
        ):
            monkeypatch.delenv(name)
    (path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(path / "run"))
    monkeypatch.setenv("CREDWARD_NO_START", "1")
    monkeypatch.chdir(path)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def serve(home: Path) -> Iterator[Callable[..., CannedDaemon]]:
    """Return what starts the daemon: it answers with a token of these facts."""
    running: list[CannedDaemon] = []

    def start(**facts: object) -> CannedDaemon:
        record = {
            "version": 1,
            "credential": "gateway",
            "token": "opaque-1",
            "kind": "bearer",
            "issued_at": 1_800_000_000,
            "expires_at": 1_800_003_600,
            **facts,
        }
        headers = [
            ("Token-Id", "0123456789abcdef"),
            ("Credward-Variables", "judged"),
            ("Credward-Folder", "judged"),
        ]
        body = json.dumps(record).encode()
        script = [answer(body=body, content_type="application/json", headers=headers)]
        running.append(CannedDaemon(home / "run/credward/credward.sock", script))
        return running[-1].__enter__()

    yield start
    for each in running:
        each.__exit__()
