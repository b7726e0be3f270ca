"""A sealed server that is unsealed while callers keep asking: OpenBao itself, and its stand-in."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
import requests

from fakes.ports import kept_port
from fakes.vault_server import serving
from integration.daemon import DaemonFactory
from integration.openbao import OpenBao, _program
from waiting import until

CONFIG = """
[credentials.llm]
provider = "vault"
address = "{url}"
token = {{ env = "SERVER_TOKEN" }}
path = "kv/llm"
kv_version = 1
field = "api_key"
"""
SERVER = """
storage "inmem" {{}}
listener "tcp" {{
  address = "{address}"
  tls_disable = true
}}
disable_mlock = true
"""


class Sealable(Protocol):
    """A server that holds `kv/llm`, for whoever has *token*."""

    url: str
    token: str

    def seal(self) -> None: ...

    def unseal(self) -> None: ...


class _OpenBao:
    """The real one, with a storage in memory and one unseal key."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False
        until(lambda: self._reached)
        made = self._ask("PUT", "sys/init", secret_shares=1, secret_threshold=1)
        self.token = made["root_token"]
        self._key = made["keys_base64"][0]
        self.unseal()
        until(lambda: self._ask("GET", "sys/health").get("standby") is False)
        self._ask("POST", "sys/mounts/kv", type="kv", options={"version": "1"})
        self._ask("PUT", "kv/llm", api_key="sk-of-the-server")

    def seal(self) -> None:
        self._ask("PUT", "sys/seal")

    def unseal(self) -> None:
        self._ask("PUT", "sys/unseal", key=self._key)

    @property
    def _reached(self) -> bool:
        try:
            self._ask("GET", "sys/seal-status")
        except requests.ConnectionError:
            return False
        return True

    def _ask(self, verb: str, path: str, **body: Any) -> dict[str, Any]:
        headers = {"X-Vault-Token": self.token} if hasattr(self, "token") else {}
        answer = self._session.request(
            verb, f"{self.url}/v1/{path}", headers=headers, json=body or None, timeout=60
        )
        return dict(answer.json()) if answer.content else {}


@contextmanager
def _real() -> Iterator[Sealable]:
    if (missing := OpenBao.missing()) is not None:
        pytest.skip(missing)
    with kept_port() as port, tempfile.TemporaryDirectory() as folder:
        address = f"127.0.0.1:{port}"
        file = Path(folder) / "server.hcl"
        file.write_text(SERVER.format(address=address))
        process = subprocess.Popen(
            [_program(), "server", f"-config={file}"],
            env={"PATH": os.defpath, "HOME": folder},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield _OpenBao(f"http://{address}")
        finally:
            process.terminate()
            process.wait()


@contextmanager
def _stand_in() -> Iterator[Sealable]:
    with serving(time.time) as server:
        server.kv1["kv/llm"] = {"api_key": "sk-of-the-server"}

        class StandIn:
            url = server.url
            token = server.new_token(ttl=0)

            def seal(self) -> None:
                server.sealed = True

            def unseal(self) -> None:
                server.sealed = False

        yield StandIn()


@pytest.mark.slow
@pytest.mark.parametrize("kind", [_real, _stand_in], ids=["openbao", "stand-in"])
def test_g5_an_unsealed_server_is_noticed_by_whoever_asks(
    start_daemon: DaemonFactory, kind: Any
) -> None:
    """By the next probe, five seconds on at most, however long the pauses have become."""
    with kind() as server:
        daemon = start_daemon(
            CONFIG.format(url=server.url), environment={"SERVER_TOKEN": server.token}
        )
        server.seal()
        # After five failures what follows by itself is up to 32 s away.
        until(lambda: daemon.get("llm").kind and daemon.status("llm")["failures"] >= 5)
        told = daemon.get("llm")
        assert told.kind == "provider-unreachable"
        assert "is sealed" in told.text
        assert 0 <= int(told.headers["retry-after"]) <= 5
        server.unseal()
        failures = daemon.status("llm")["failures"]
        until(lambda: daemon.get("llm").text == "sk-of-the-server")

        # One that was out already when the server was unsealed may still fail.
        assert daemon.status("llm")["failures"] <= failures + 1, "more than one failure after it"
