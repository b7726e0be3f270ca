"""An account of its own for a daemon and those who ask it, in a mount namespace that knows its name.

As root everything can be read; what the kernel hides is only seen by a daemon that is somebody else. Needs
root to become that, and touches nothing of the machine: the files that name the account are private.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.daemon import DaemonFactory, RunningDaemon

__all__ = ["ASK", "PYTHON", "Account", "open_account"]

# Nobody has them.
_UID = 61234
_NAME = "credward-test"
# $1: the private files. `sshd` wants a folder of its own below /run.
_INSIDE = """
mount --make-rprivate /
mount --bind "$1/passwd" /etc/passwd
mount --bind "$1/group" /etc/group
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
echo ready
exec sleep 86400
"""
# Asks at the socket argv[1] for argv[3] by the verb argv[2], and prints status and kind.
ASK = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(60)
s.connect(sys.argv[1])
s.sendall(f"{sys.argv[2]} {sys.argv[3]} HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n\\r\\n".encode())
answer = b""
while part := s.recv(65536):
    answer += part
head, _, body = answer.partition(b"\\r\\n\\r\\n")
print(head.split()[1].decode(), body.decode())
"""
PYTHON = "/usr/bin/python3"


@dataclass(frozen=True)
class Account:
    """What runs as this account sees the private files; *folder* is its own."""

    uid: int
    name: str
    folder: Path
    holder: int

    @property
    def as_root(self) -> tuple[str, ...]:
        """What goes before a command to run it in that namespace."""
        return ("nsenter", f"--target={self.holder}", "--mount", "--")

    def become(self, uid: int | None = None, *, reads_all: bool = False) -> tuple[str, ...]:
        """Return what goes before a command to run it as *uid*, else as this account.

        *reads_all*: it may read every file, as the interpreter of the tests may be out of reach. It
        may not look at processes for that.
        """
        chosen = str(self.uid if uid is None else uid)
        more = ["+dac_read_search" if reads_all else "-all"]
        return (
            *(*self.as_root, "setpriv", "--reuid", chosen, "--regid", chosen, "--clear-groups"),
            *("--inh-caps", more[0], "--ambient-caps", more[0]),
        )

    def run(self, *command: str | Path, uid: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command as *uid*, else as this account, to its end."""
        return subprocess.run(
            [*self.become(uid), *map(str, command)],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            cwd="/",
            capture_output=True,
            text=True,
            timeout=60,
        )

    def ask(self, socket: Path, path: str, *, uid: int | None = None) -> str:
        """Return what a plain program of *uid*, else of this account, is answered: status and body."""
        done = self.run(PYTHON, "-I", "-S", "-c", ASK, socket, "GET", path, uid=uid)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextlib.contextmanager
    def daemon(self, config: str, *, uid: int | None = None) -> Iterator[RunningDaemon]:
        """Run a daemon as *uid*, else as this account, at a socket that everybody can reach."""
        owner = self.uid if uid is None else uid
        folder = self.folder / f"daemon-{owner}"
        folder.mkdir()
        factory = DaemonFactory(folder)
        daemon = factory.prepare(config)
        daemon.wrapper = self.become(owner, reads_all=True)
        for place in (daemon.runtime_dir, *_below(daemon.home)):
            os.chown(place, owner, owner)
        folder.chmod(0o711)
        # Its word that it is ready goes to a socket of ours.
        before = os.umask(0)
        try:
            daemon.start()
        finally:
            os.umask(before)
        for place in (daemon.runtime_dir, daemon.socket.parent):
            place.chmod(0o755)
        daemon.socket.chmod(0o666)
        try:
            yield daemon
        finally:
            found = factory.close()
            assert found == []


@contextlib.contextmanager
def open_account() -> Iterator[Account]:
    """Give an account of its own, or skip with the reason."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("needs Linux and root, to become another account")
    missing = [each for each in ("unshare", "nsenter", "setpriv", PYTHON) if not shutil.which(each)]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="cw-", dir="/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "passwd").write_text(
            f"root:x:0:0:root:/root:/bin/sh\nsshd:x:{_UID + 1}:{_UID + 1}::/run/sshd:/bin/false\n"
            f"{_NAME}:x:{_UID}:{_UID}::{folder}:/bin/sh\n"
        )
        (folder / "group").write_text(f"root:x:0:\n{_NAME}:x:{_UID}:\n")
        with subprocess.Popen(
            ["unshare", "--mount", "sh", "-ec", _INSIDE, "-", name],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as holder:
            assert holder.stdout is not None
            assert holder.stderr is not None
            if holder.stdout.readline() != "ready\n":
                pytest.skip(f"no mount namespace of its own is to be had: {holder.stderr.read()}")
            try:
                yield Account(uid=_UID, name=_NAME, folder=folder, holder=holder.pid)
            finally:
                holder.kill()


def _below(folder: Path) -> list[Path]:
    return [folder, *folder.rglob("*")]
