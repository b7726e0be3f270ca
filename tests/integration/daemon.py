"""A real daemon as a child of the test: its own home, configuration, state and a short runtime directory."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Answer", "DaemonFactory", "RunningDaemon"]

SOURCE = Path(__file__).parents[2] / "broker"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over the socket."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode().strip()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RunningDaemon:
    """`python -m credward serve` in the foreground."""

    def __init__(self, home: Path, config: str, *, environ: dict[str, str] | None = None) -> None:
        self.home = home
        self.runtime = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
        self.socket = self.runtime / "credward" / "credward.sock"
        self.config_file = home / "config" / "credward" / "config.toml"
        self.state_dir = home / "state" / "credward"
        self.log_file = home / "daemon.log"
        self.environ = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "PYTHONPATH": str(SOURCE),
            **(environ or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.write_config(config)

    def write_config(self, text: str) -> None:
        self.config_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config_file.write_text(text)
        self.config_file.chmod(0o600)

    def start(self, *arguments: str, wait: bool = True) -> RunningDaemon:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "credward", "serve", *arguments],
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self.request("GET", "/v1/ready").status == 200:
                    return
            except OSError:
                pass
            exited = self.process is not None and self.process.poll() is not None
            if exited or time.monotonic() > deadline:
                raise AssertionError(f"the daemon is not ready: {self.log}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def request(
        self, method: str, path: str, body: bytes = b"", *, seconds: float = 20.0
    ) -> Answer:
        """Ask over a connection of its own."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(seconds)
            client.connect(str(self.socket))
            head = f"{method} {path} HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n"
            if body or method == "POST":
                head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
            client.sendall(head.encode() + b"\r\n" + body)
            raw = b""
            while chunk := client.recv(65536):
                raw += chunk
        first, _, rest = raw.partition(b"\r\n\r\n")
        lines = first.decode().split("\r\n")
        if len(lines[0].split(" ")) < 2:
            raise ConnectionResetError("no answer")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])
        }
        return Answer(int(lines[0].split(" ")[1]), headers, rest)

    def get(self, name: str, shape: str = "token", **query: object) -> Answer:
        """Ask for a credential."""
        words = "&".join(f"{key}={value}" for key, value in {"timeout": 15, **query}.items())
        return self.request("GET", f"/v1/credentials/{name}/{shape}?{words}")

    def status(self, name: str) -> dict[str, Any]:
        """Return the state of one credential as the API tells it."""
        listed = self.request("GET", "/v1/credentials").json["credentials"]
        return next(each for each in listed if each["name"] == name)

    def cli(self, *arguments: str, **extra: Any) -> subprocess.CompletedProcess[str]:
        """Run the command line against this daemon."""
        return subprocess.run(
            [sys.executable, "-m", "credward", *arguments],
            env={**self.environ, **extra.pop("environ", {})},
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            **extra,
        )

    def audit(self) -> list[dict[str, Any]]:
        """Return the audit lines so far."""
        path = self.state_dir / "audit.log"
        return [json.loads(line) for line in path.read_text().splitlines()]

    def stop(self) -> int:
        """SIGTERM and wait; return the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=10)

    def kill9(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)

    def clean(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.runtime, ignore_errors=True)

    def descendants(self) -> list[int]:
        """Return the pids below the daemon."""
        parents: dict[int, int] = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    text = Path(f"/proc/{entry}/stat").read_text()
                except OSError:
                    continue
                parents[int(entry)] = int(text.rpartition(")")[2].split()[1])
        found = [self.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found[1:]


DaemonFactory = Callable[..., RunningDaemon]
