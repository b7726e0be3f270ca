"""An account of a test's own: a home by the passwd database, in namespaces that end with the test.

What is started depends on the account and not on HOME, so a test of starting needs another entry in
/etc/passwd. It gets one in a mount namespace; the host's files are not touched. With the process
namespace everything that was started in it ends.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from transcripts.programs import HELPERS, native_helper, variants
from waiting import PATIENCE, until

__all__ = ["CLIENTS", "Account", "account_of_its_own", "clean_account", "install"]

# Who asks: the native helper, its twin, the command line.
CLIENTS = variants("musl", "twin", "command line")
# $0 is the folder of the account. Configuration of this machine must not show through. The shell reaps what ends.
INSIDE = """
mount --make-rprivate /
mount --bind "$0/passwd" /etc/passwd
mount -t tmpfs none /run/user
for each in /etc/credward /run/credward; do [ ! -d "$each" ] || mount -t tmpfs none "$each"; done
mkdir -m 0700 /run/user/0
echo ready
sleep infinity &
wait
"""


@dataclass(frozen=True)
class Account:
    """Whose home is *home*; *holder* is the process that keeps its namespaces."""

    folder: Path
    holder: int
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Its home by the passwd database."""
        return self.folder / "home"

    @property
    def config_file(self) -> Path:
        """Where its configuration is."""
        return self.home / ".config/credward/config.toml"

    @property
    def state_dir(self) -> Path:
        """Where its store, its logs and its locks are."""
        return self.home / ".local/state/credward"

    @property
    def record(self) -> Path:
        """Where set-up records unusual places."""
        return self.config_file.with_name("start.env")

    def popen(
        self, *command: str | Path, before: tuple[str, ...] = (), **environment: str
    ) -> subprocess.Popen[str]:
        """Start a program of this account, in its home; a variable that is "" is not set."""
        said = {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **environment}
        return subprocess.Popen(
            [
                *("nsenter", "-t", str(self.holder), "-m", "-p", "--"),
                *("/bin/sh", "-c", 'cd "$0" && exec "$@"', str(self.home)),
                *before,
                *map(str, command),
            ],
            env={name: value for name, value in said.items() if value},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self,
        *command: str | Path,
        given: str = "",
        before: tuple[str, ...] = (),
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of this account to its end; *given* is its standard input."""
        process = self.popen(*command, before=before, **environment)
        out, err = process.communicate(given, timeout=PATIENCE)
        return subprocess.CompletedProcess(command, process.returncode, out, err)

    def cli(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        return self.run(sys.executable, "-I", "-m", "credward", *arguments, **more)  # type: ignore[arg-type]

    def write_config(self, text: str) -> None:
        """Write its configuration."""
        self.config_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.config_file.write_text(text)
        self.config_file.chmod(0o600)

    def processes(self, *words: str) -> list[int]:
        """Return the processes of this account whose command line holds these words in a row."""
        namespace = os.readlink(f"/proc/{self.holder}/ns/pid")
        found = []
        for each in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if each.name.isdigit() and os.readlink(each / "ns/pid") == namespace:
                    line = (each / "cmdline").read_bytes().split(b"\0")
                    if " ".join(words) in b" ".join(line).decode():
                        found.append(int(each.name))
        return found

    def daemons(self) -> list[int]:
        """Return the daemons that run."""
        return self.processes("serve", "--detach")

    def stop_daemon(self) -> None:
        """Stop the one daemon and wait until it is gone."""
        (daemon,) = self.daemons()
        os.kill(daemon, 15)
        until(lambda: not Path(f"/proc/{daemon}").exists())

    def log(self) -> str:
        """Return what the daemon logged."""
        path = self.state_dir / "daemon.log"
        return path.read_text() if path.exists() else ""


@functools.cache
def _permitted() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    if not shutil.which("unshare") or not shutil.which("nsenter"):
        return False
    probe = ["unshare", "-m", "-p", "--fork", "--mount-proc", "mount", "--make-rprivate", "/"]
    return subprocess.run(probe, capture_output=True).returncode == 0


@contextlib.contextmanager
def account_of_its_own(folder: Path) -> Iterator[Account]:
    """Make an account below *folder*; skip where that takes rights that are not here."""
    if not _permitted():
        pytest.skip("an account of its own needs root, unshare and nsenter")
    if _is_limited():
        pytest.skip("this is a sandbox, from which nothing is started")
    (folder / "home").mkdir(mode=0o700)
    entry = f"root:x:0:0::{folder}/home:/bin/sh\n"
    others = Path("/etc/passwd").read_text().splitlines(keepends=True)
    (folder / "passwd").write_text(entry + "".join(x for x in others if not x.startswith("root:")))
    command = ["unshare", "-m", "-p", "--fork", "--mount-proc", "--kill-child=KILL"]
    outer = subprocess.Popen(
        [*command, "/bin/sh", "-ec", INSIDE, str(folder)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert outer.stdout is not None
        assert outer.stdout.readline() == "ready\n"
        (inner,) = Path(f"/proc/{outer.pid}/task/{outer.pid}/children").read_text().split()
        yield Account(folder, int(inner))
    finally:
        outer.kill()
        outer.communicate()


@contextlib.contextmanager
def clean_account(config: str = "") -> Iterator[Account]:
    """Make an account in a folder of its own, whose path leaves room for a socket's."""
    folder = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
    try:
        with account_of_its_own(folder) as made:
            if config:
                made.write_config(config)
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_limited() -> bool:
    status = Path("/proc/self/status").read_text()
    return "NoNewPrivs:\t1" in status or "Seccomp:\t2" in status


def install(client: str, folder: Path) -> list[str]:
    """Install *client* below *folder*, as a package manager would, and return its command.

    A helper has the program `credward` beside it. The interpreter of the command line and of the
    twin reads no variable (-I): what a caller's own PYTHONPATH does to that caller is not the
    question.
    """
    if client == "command line":
        return [sys.executable, "-I", "-m", "credward", "get", "--timeout", "60"]
    folder.mkdir(exist_ok=True)
    program = folder / "credward"
    program.write_text(f"#!{sys.executable}\nfrom credward.__main__ import main\nmain()\n")
    program.chmod(0o755)
    if client == "twin":
        copy = shutil.copy(HELPERS / "helper.py", folder / "credward-helper")
        return [sys.executable, "-I", str(copy), "--timeout", "60"]
    binary = native_helper(client)
    if binary is None:
        pytest.skip(f"no compiler for {client}")
    return [str(shutil.copy(binary, folder / "credward-helper")), "--timeout", "60"]
