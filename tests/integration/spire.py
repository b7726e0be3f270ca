"""A real SPIRE as children of the test: a server and an agent that gives identities to the processes of this user.

`Spire.missing()` says why there is none.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

import jwt

from fakes.ports import kept_port
from waiting import until

__all__ = ["ISSUER", "Spire"]

ISSUER = "https://issuer.example.com"
_DOMAIN = "example.org"
_HOST = f"spiffe://{_DOMAIN}/host"
_SERVER = """
server {{
    bind_address = "127.0.0.1"
    bind_port = {port}
    socket_path = "{folder}/server.sock"
    trust_domain = "{domain}"
    data_dir = "{folder}/server"
    jwt_issuer = "{issuer}"
    ca_key_type = "ec-p256"
}}
plugins {{
    DataStore "sql" {{
        plugin_data {{
            database_type = "sqlite3"
            connection_string = "{folder}/entries"
        }}
    }}
    KeyManager "memory" {{ plugin_data {{}} }}
    NodeAttestor "join_token" {{ plugin_data {{}} }}
}}
"""
_AGENT = """
agent {{
    server_address = "127.0.0.1"
    server_port = {port}
    socket_path = "{folder}/agent.sock"
    trust_domain = "{domain}"
    data_dir = "{folder}/agent"
    insecure_bootstrap = true
}}
plugins {{
    NodeAttestor "join_token" {{ plugin_data {{}} }}
    KeyManager "memory" {{ plugin_data {{}} }}
    WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"""


class Spire:
    """One trust domain, alone with its state; nobody has an identity before `register`."""

    def __init__(self) -> None:
        # Socket paths are short.
        self._folder = tempfile.TemporaryDirectory(prefix="spire-", dir="/tmp")
        self._port = kept_port()
        self._running: list[subprocess.Popen[bytes]] = []
        self.address = f"unix://{self._folder.name}/agent.sock"

    @staticmethod
    def missing() -> str | None:
        """Return why it cannot run here, None where it can."""
        for name in ("spire-server", "spire-agent"):
            if not os.access(_program(name), os.X_OK):
                return f"no SPIRE at {_program(name)} (go install)"
        return None

    def __enter__(self) -> Self:
        words = {
            "folder": self._folder.name,
            "port": self._port.__enter__(),
            "domain": _DOMAIN,
            "issuer": ISSUER,
        }
        self._start("spire-server", _SERVER.format(**words))
        until(lambda: self._tell("healthcheck").returncode == 0)
        joined = json.loads(self._ask("token", "generate", "-spiffeID", _HOST))
        self._start("spire-agent", _AGENT.format(**words), "-joinToken", joined["value"])
        until(lambda: Path(self.address.removeprefix("unix://")).exists())
        return self

    def __exit__(self, *_: object) -> None:
        for each in reversed(self._running):
            each.terminate()
            each.wait()
        self._port.__exit__(None, None, None)
        self._folder.cleanup()

    def register(self) -> None:
        """Give all processes of this user an identity."""
        self._ask(
            *("entry", "create", "-parentID", _HOST, "-spiffeID", f"spiffe://{_DOMAIN}/agent"),
            *("-selector", f"unix:uid:{os.geteuid()}"),
        )

    def stop_agent(self) -> None:
        """End the agent; its socket stays."""
        self._running[-1].kill()
        self._running[-1].wait()

    @property
    def public_key(self) -> Any:
        """The key that its JWT-SVIDs are signed with."""
        bundle = json.loads(self._tell("bundle", "show", "-format", "spiffe").stdout)
        keys = [each for each in bundle["keys"] if each["use"] == "jwt-svid"]
        return jwt.PyJWK({**keys[0], "alg": "ES256"}).key

    def _start(self, name: str, config: str, *arguments: str) -> None:
        path = Path(self._folder.name) / f"{name}.conf"
        path.write_text(config)
        with (Path(self._folder.name) / f"{name}.log").open("wb") as log:
            self._running.append(
                subprocess.Popen(
                    [_program(name), "run", "-config", path, *arguments],
                    env={"PATH": os.defpath},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _tell(self, *words: str) -> subprocess.CompletedProcess[bytes]:
        socket = f"{self._folder.name}/server.sock"
        return subprocess.run(
            [_program("spire-server"), *words, "-socketPath", socket],
            capture_output=True,
            check=False,
        )

    def _ask(self, *words: str) -> bytes:
        done = self._tell(*words, "-output", "json")
        assert done.returncode == 0, done.stderr
        return done.stdout


def _program(name: str) -> Path:
    return Path(os.environ.get("HOME", "/")) / ".cache/credward-tests/spire" / name
