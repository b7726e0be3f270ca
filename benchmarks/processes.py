"""Other processes, for the benchmarks: daemons to ask, programs to time, memory to read.

Starts, times and ends them; what is measured against what is `run`.
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
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent

_REST = b" HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n\r\n"
_READY = b"GET /v1/ready" + _REST


# Before callers were looked at by what is kept of their ancestors, and doors answered at once.
BEFORE = "d8574695b0618fd569e6fd379cd6175ed180f8ce"


def earlier(folder: Path) -> Path | None:
    """Unpack the source tree that today's is compared with; None where the history lacks it."""
    packed = subprocess.run(
        ["git", "-C", str(ROOT), "archive", BEFORE, "broker", "policies", "benchmarks"],
        capture_output=True,
        check=False,
    )
    if packed.returncode != 0:
        return None
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def below(folder: Path, command: Sequence[str], *, harness: bool) -> list[str]:
    """Return a command that runs *command* below five shells, the second called claude or not.

    With what runs the benchmark that makes six ancestors or more.
    """
    claude = folder / "claude"
    if not claude.exists():
        shutil.copy(Path("/bin/sh").resolve(), claude)
    nested = list(command)
    for shell in ("sh", str(claude) if harness else "sh", "sh", "sh", "sh"):
        # What follows a command keeps the shell from becoming it.
        nested = [shell, "-c", '"$@"; exit $?', "sh", *nested]
    return nested


def compiled(folder: Path, name: str) -> Path | None:
    """Compile one of our programs in C; None without a compiler."""
    compiler = next((each for each in ("cc", "gcc", "clang") if shutil.which(each)), None)
    if compiler is None:
        return None
    program, source = folder / name, HERE / f"{name}.c"
    if not program.exists():
        command = [compiler, "-O2", "-std=c11", "-o", str(program), str(source)]
        subprocess.run(command, check=True)
    return program


def looks(knock: Path, tree: Path, *, harness: bool, count: int) -> list[float]:
    """Return how long a look of *tree* at a new caller takes (microseconds, sorted)."""
    folder = knock.parent
    path = folder / "looked-at"
    path.unlink(missing_ok=True)
    with subprocess.Popen(
        [sys.executable, str(HERE / "looks.py"), str(path), str(count)],
        env={**os.environ, "PYTHONPATH": str(tree / "broker")},
        stdout=subprocess.PIPE,
    ) as looker:
        assert looker.stdout is not None
        looker.stdout.readline()
        again = ["sh", "-c", 'while "$@"; do :; done', "sh", str(knock), str(path)]
        subprocess.run(below(folder, again, harness=harness), check=False)
        found: list[float] = json.loads(looker.stdout.read())
    return found


class Daemon:
    """A daemon of one source tree, in a folder of its own, with this configuration."""

    def __init__(self, folder: Path, config: str, tree: Path = ROOT) -> None:
        folder.mkdir(mode=0o700)
        self.socket = folder / "run/credward/credward.sock"
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "CREDWARD_SOCKET": str(self.socket),
            "PYTHONPATH": str(tree / "broker"),
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
def constant_server(folder: Path, program: str, tree: Path = ROOT) -> Iterator[Path]:
    """Run a server with a constant answer: our own (`bare_server`) or the `yardstick`."""
    folder.mkdir(mode=0o700)
    path = folder / "s"
    process = subprocess.Popen(
        [sys.executable, str(tree / f"benchmarks/{program}.py"), str(path)],
        env={**os.environ, "PYTHONPATH": str(tree / "broker")},
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
    pause: float = 0.0,
) -> dict[str, list[float]]:
    """Run all in turn for so long, with a *pause* before each; return their seconds, sorted."""
    times: dict[str, list[float]] = {name: [] for name in programs}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, command in programs.items():
            time.sleep(pause)
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
