"""Other processes, for the benchmarks: daemons to ask, programs to time, memory to read.

Starts, times and ends them; what is measured against what is `run`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent

_REST = b" HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n\r\n"
_READY = b"GET /v1/ready" + _REST


class Daemon:
    """A daemon in a folder of its own, with this configuration."""

    def __init__(self, folder: Path, config: str) -> None:
        folder.mkdir(mode=0o700)
        self.socket = folder / "run/credward/credward.sock"
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "CREDWARD_SOCKET": str(self.socket),
            "PYTHONPATH": str(ROOT / "broker"),
        }
        self._config = folder / "config.toml"
        self._config.write_text(config)
        self._log = folder / "log"
        (folder / "run").mkdir(mode=0o700)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "credward", "serve", "--log-level", "warning"]
        command += ["--config", str(self._config), "--socket", str(self.socket)]
        began = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._wait(_READY)
        self.ready_after = time.perf_counter() - began
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def ask(self, request: bytes) -> bytes:
        """Send one request and return the answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(30)
            connection.connect(str(self.socket))
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def ask_for(self, name: str) -> None:
        """Have one credential minted, if it is not there."""
        answer = self.ask(f"GET /v1/credentials/{name}/token?timeout=20".encode() + _REST)
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(answer.decode(errors="replace"))

    def _wait(self, request: bytes) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.ask(request).startswith(b"HTTP/1.1 200 "):
                    return
            assert self._process is not None
            if self._process.poll() is not None:
                break
            time.sleep(0.002)
        raise RuntimeError(f"the daemon did not start: {self._log.read_text()[-2000:]}")


@contextlib.contextmanager
def constant_server(folder: Path, program: str) -> Iterator[Path]:
    """Run a server with a constant answer: our own (`bare_server`) or the `yardstick`."""
    folder.mkdir(mode=0o700)
    path = folder / "s"
    process = subprocess.Popen(
        [sys.executable, str(HERE / f"{program}.py"), str(path)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "broker")},
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield path
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def git_cache(folder: Path) -> Iterator[list[str] | None]:
    """Run git's own credential cache; its command line, None where git is missing."""
    if shutil.which("git") is None or subprocess.run(
        ["git", "credential-cache"], capture_output=True, check=False
    ).returncode not in {0, 129}:
        yield None
        return
    folder.mkdir(mode=0o700)
    command = ["git", "credential-cache", "--socket", str(folder / "socket")]
    entry = "protocol=https\nhost=example.com\nusername=you\npassword=secret\n\n"
    subprocess.run([*command, "store"], input=entry.encode(), check=True)
    question = folder / "question"
    question.write_text("protocol=https\nhost=example.com\n\n")
    try:
        yield [*command, "get"]
    finally:
        subprocess.run([*command, "exit"], check=False, capture_output=True)


def time_programs(
    programs: Mapping[str, Sequence[str]],
    *,
    environment: Mapping[str, str],
    stdin: Mapping[str, Path],
    seconds: float,
) -> dict[str, list[float]]:
    """Run all in turn for so long; return how long each took, in seconds, sorted."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, command in programs.items():
            began = time.perf_counter()
            pid = spawn(command, environment, stdin.get(name))
            _, status = os.waitpid(pid, 0)
            times[name].append(time.perf_counter() - began)
            if status:
                raise RuntimeError(f"{name} failed with {os.waitstatus_to_exitcode(status)}")
    return {name: sorted(each) for name, each in times.items()}


def run_many(
    command: Sequence[str], environment: Mapping[str, str], *, count: int, at_once: int
) -> float:
    """Run *command* so many times, *at_once* at a time; return the seconds that took."""
    began = time.perf_counter()
    started = ended = 0
    while ended < count:
        while started < count and started - ended < at_once:
            spawn(command, environment, None)
            started += 1
        _, status = os.waitpid(-1, 0)
        ended += 1
        if status:
            raise RuntimeError(f"{command[0]} failed with {os.waitstatus_to_exitcode(status)}")
    return time.perf_counter() - began


def spawn(command: Sequence[str], environment: Mapping[str, str], stdin: Path | None) -> int:
    """Start a program with nothing to say and nobody to hear it; return its pid."""
    files = [
        (os.POSIX_SPAWN_OPEN, 0, str(stdin or os.devnull), os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    return os.posix_spawnp(command[0], list(command), dict(environment), file_actions=files)


def processor_seconds(pid: int) -> float:
    """Return what a process has used so far (proc_pid_stat(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(pid: int) -> dict[str, float]:
    """Return MB resident, and where the system lets us look, those that are this process's alone.

    `private` is what it wrote to, `mapped alone` the file pages that just nobody else maps now.
    """
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    found = {"rss": pages * os.sysconf("SC_PAGE_SIZE") / 1e6}
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        sizes = {line.split()[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines[1:]}
        found["private"] = sizes["Private_Dirty:"] + sizes["Private_Hugetlb:"]
        found["mapped alone"] = sizes["Private_Clean:"]
    return found
