"""A home of one's own for the command line."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from credward.cli.main import main
from credward.policy.client_variables import CERTIFICATE_FOLDER, CERTIFICATES, PROXIES


@dataclass(frozen=True, slots=True)
class Ran:
    """What one call of the command line did."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home; nothing of the real environment shows through."""
    ours = ("CREDWARD_SOCKET", "CREDWARD_CONFIG", "CLAUDE_CONFIG_DIR", "ANTHROPIC_BASE_URL")
    for name in (*ours, *PROXIES, *CERTIFICATES, CERTIFICATE_FOLDER):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("CREDWARD_NO_START", "1")
    monkeypatch.chdir(tmp_path)
    # The account of whoever runs the tests is not to be written to, nor is its daemon started.
    account = str(tmp_path / "account")
    entry = pwd.struct_passwd(("tester", "x", os.geteuid(), os.getegid(), "", account, ""))
    monkeypatch.setattr("pwd.getpwuid", lambda _uid: entry)
    return tmp_path


@pytest.fixture
def run(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Call the command line as a shell would."""

    def call(*arguments: str) -> Ran:
        monkeypatch.setattr("sys.argv", ["credward", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        out, err = capsys.readouterr()
        return Ran(code, out, err)

    return call


@pytest.fixture
def config_file(home: Path) -> Path:
    """Where the user's configuration is, with one credential in it."""
    path = home / "config" / "credward" / "config.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[credentials.demo]\nprovider = "local"  # keep me\n')
    path.chmod(0o600)
    return path
