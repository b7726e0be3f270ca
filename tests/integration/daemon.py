"""A real daemon as a child of the test: `RunningDaemon`, and the factory that starts and stops them.

Starts `python -m credward serve` in folders of its own and waits for its word that it is ready; what
it should answer is the test's business.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from canaries import canary, files_with_canary, processes_with_canary
from integration.warm import WarmDaemon

__all__ = ["Answer", "DaemonFactory", "RunningDaemon", "permit_all"]

BROKER = Path(__file__).parents[2] / "broker"
PROGRAM = ("-m", "credward")
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the daemon answered; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body, without the newline at its end."""
        return self.body.decode().removesuffix("\n")

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)

    @property
    def kind(self) -> str | None:
        """The kind of a problem, None for a success."""
        return self.headers.get("credward-kind")


class RunningDaemon:
    """A daemon with a home of its own below *folder*; *runtime* is short, as socket paths must be."""

    def __init__(self, folder: Path, runtime: Path, extra_environment: Mapping[str, str]) -> None:
        self.home = folder
        self.runtime_dir = runtime
        self.config_file = folder / ".config/credward/config.toml"
        self.state_dir = folder / ".local/state/credward"
        self.socket = runtime / "credward/credward.sock"
        self.log_file = folder / "daemon.log"
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / ".config"),
            "XDG_STATE_HOME": str(folder / ".local/state"),
            "XDG_RUNTIME_DIR": str(runtime),
            "PYTHONPATH": str(BROKER),
            "PYTHONWARNINGS": "error",
            # Started would be the daemon of whoever runs the tests; see accounts.py.
            "CREDWARD_NO_START": "1",
            "CANARY_SECRET": canary("daemon"),
            **extra_environment,
        }
        self.process: subprocess.Popen[bytes] | WarmDaemon | None = None
        # Whether it may be forked off a process that has imported it, which saves most of its start.
        self.warm = False
        # What runs it; another one may watch over it or break it.
        self.program: tuple[str, ...] = PROGRAM
        # Goes before the command, such as `setpriv` with its options.
        self.wrapper: tuple[str, ...] = ()

    # --- starting and stopping ----------------------------------------------------------------

    def start(self, *arguments: str, log_level: str = "debug") -> None:
        """Start it and wait until it says that it is ready."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notify = self.runtime_dir / "notify"
            notify.unlink(missing_ok=True)
            notices.bind(str(notify))
            notices.settimeout(0.05)
            self.spawn(*arguments, log_level=log_level, environment={"NOTIFY_SOCKET": str(notify)})
            assert self.process is not None
            deadline = time.monotonic() + _PATIENCE
            while True:
                with contextlib.suppress(TimeoutError):
                    if b"READY=1" in notices.recv(4096):
                        return
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no daemon, exit {self.process.poll()}: {self.log()}")

    def spawn(
        self,
        *arguments: str,
        log_level: str = "debug",
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes] | WarmDaemon:
        """Start it and wait for nothing."""
        words = (
            "serve",
            "--config", str(self.config_file),
            "--socket", str(self.socket),
            "--log-level", log_level,
            *arguments,
        )  # fmt: skip
        environ = {**self.environment, **(environment or {})}
        with self.log_file.open("ab") as log:
            if self.warm and not self.wrapper and self.program == PROGRAM:
                self.process = WarmDaemon(words, environ, self.home, log.fileno())
                return self.process
            self.process = subprocess.Popen(
                [*self.wrapper, sys.executable, *self.program, *words],
                env=environ,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self.process

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process is not None
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout: float = _PATIENCE) -> int:
        """Ask it to go and return its exit code; one that does not go is killed and is a failure."""
        return self._end(signal.SIGTERM, timeout)

    def kill9(self) -> None:
        """Kill it as a crash would."""
        self._end(signal.SIGKILL, _PATIENCE)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def _end(self, number: signal.Signals, timeout: float) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    # --- asking -------------------------------------------------------------------------------

    def get(self, name: str, format: str = "token", **query: object) -> Answer:  # noqa: A002
        """Ask for a credential; unless *query* says otherwise with the patience of a slow machine."""
        path = f"/v1/credentials/{quote(name, safe='')}/{format}"
        query.setdefault("timeout", _PATIENCE)
        patience = max(_PATIENCE, float(str(query["timeout"]))) + _PATIENCE
        return self.request("GET", f"{path}?{urlencode(query)}", timeout=patience)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = _PATIENCE,
    ) -> Answer:
        """Send one request on a connection of its own."""
        connection = _UnixConnection(self.socket, timeout)
        try:
            connection.request(method, path, body or None, dict(headers or {}))
            response = connection.getresponse()
            names = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, names, response.read())
        finally:
            connection.close()

    def hand_over(self, name: str, grant: str) -> Answer:
        """Give it the grant behind a credential, or of this name."""
        body = json.dumps({"grant": grant}).encode()
        return self.request("POST", f"/v1/grants/{name}/grant", body=body)

    def status(self, name: str) -> dict[str, Any]:
        """Return the state of one credential, as `credward status --json` shows it."""
        listed = self.request("GET", "/v1/credentials").json()["credentials"]
        return next(each for each in listed if each["name"] == name)

    def log(self) -> str:
        """Return what it logged so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def write_config(self, text: str) -> None:
        """Replace the configuration; a reload takes it over."""
        self.config_file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.config_file.with_suffix(".new")
        fresh.write_text(text)
        fresh.chmod(0o600)
        fresh.rename(self.config_file)


def permit_all(folder: Path, *, store: str = 'key = "key_file"') -> str:
    """Return a configuration in which whoever asks may do everything, below an agent too; its rules lie in *folder*."""
    policy = folder / "policy"
    policy.mkdir(exist_ok=True)
    (policy / "all.cedar").write_text('@id("all") permit (principal, action, resource);\n')
    return f'[policy]\ndirectory = "{policy}"\n[store]\n{store}\n'


class DaemonFactory:
    """Starts daemons below *folder*, each in a folder of its own; *warm* ones are forked where nothing is against it."""

    def __init__(self, folder: Path, *, warm: bool = False) -> None:
        self._folder = folder
        self._warm = warm
        self._daemons: list[RunningDaemon] = []

    def __call__(
        self, config: str, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> RunningDaemon:
        """Start a daemon with this configuration text and wait until it is ready."""
        daemon = self.prepare(config, environment=environment)
        daemon.start(*arguments)
        return daemon

    def prepare(
        self, config: str, *, environment: Mapping[str, str] | None = None
    ) -> RunningDaemon:
        """Return a daemon that is configured but not started."""
        home = self._folder / f"home-{len(self._daemons)}"
        home.mkdir(mode=0o700)
        # Socket paths end at 108 bytes, which the folder of a test may use up by itself.
        runtime = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
        daemon = RunningDaemon(home, runtime, environment or {})
        # An interpreter reads some itself, and the loader.
        daemon.warm = self._warm and not any(
            name.startswith(("PYTHON", "LD_", "MALLOC_", "LC_", "LANG", "GLIBC"))
            for name in environment or {}
        )
        daemon.write_config(config)
        self._daemons.append(daemon)
        return daemon

    def close(self) -> list[str]:
        """Stop all daemons, and return where canaries were found."""
        found: list[str] = []
        for daemon in self._daemons:
            if daemon.running:
                found += processes_with_canary(daemon.pid)
                try:
                    daemon.stop()
                except subprocess.TimeoutExpired:
                    found.append(f"a daemon that ignored SIGTERM: {daemon.log()[-2000:]}")
            found += files_with_canary(
                daemon.home, daemon.runtime_dir, allowed=[daemon.config_file]
            )
            shutil.rmtree(daemon.runtime_dir, ignore_errors=True)
        return found


class _UnixConnection(HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("credward", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        """Connect to the socket in place of a host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
