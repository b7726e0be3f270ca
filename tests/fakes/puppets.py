"""Trees of processes that do what they are told: have a child, take another name or program, end.

Each puppet is a Python that listens on a datagram socket of its own and answers when it has done it.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from waiting import PATIENCE, until

_PUPPET = """
import ctypes, os, socket, sys
folder = sys.argv[1]
def listen():
    path = f"{folder}/{os.getpid()}"
    try: os.unlink(path)
    except FileNotFoundError: pass
    heard = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    heard.bind(path)
    heard.sendto(str(os.getpid()).encode(), f"{folder}/master")
    return heard
heard = listen()
while True:
    word, _, rest = heard.recv(4096).decode().partition(" ")
    if word == "fork":
        if os.fork() == 0:
            heard.close()
            heard = listen()
            continue
    elif word == "name":
        open("/proc/self/comm", "w").write(rest)
    elif word == "exec":
        os.execv(rest, [rest, "-I", "-S", __file__ if "__file__" in globals() else sys.argv[0], folder])
    elif word == "subreaper":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    heard.sendto(b"done", f"{folder}/master")
"""


class Puppets:
    """*root* is the first puppet; all of them end with this."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cw-", dir="/tmp"))
        self.script = self.folder / "puppet.py"
        self.script.write_text(_PUPPET)
        self._master = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._master.bind(str(self.folder / "master"))
        self._master.settimeout(PATIENCE)
        self._root = subprocess.Popen(
            [sys.executable, "-I", "-S", str(self.script), str(self.folder)]
        )
        self.alive: list[int] = [int(self._master.recv(64))]

    @property
    def root(self) -> int:
        return self._root.pid

    def program(self, name: str, folder: str = "") -> Path:
        """Return another program of that name: a Python all the same."""
        path = self.folder / folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            shutil.copy(Path(sys.executable).resolve(), path)
        return path

    def fork(self, pid: int) -> int:
        """Have a child of *pid*."""
        self._send(pid, "fork")
        said = {self._master.recv(64), self._master.recv(64)} - {b"done"}
        self.alive.append(int(said.pop()))
        return self.alive[-1]

    def tell(self, pid: int, words: str) -> None:
        """Have it done, and wait until it is."""
        self._send(pid, words)
        self._master.recv(64)

    def kill(self, pid: int) -> None:
        """End one; its children go to whoever takes orphans."""
        handle = os.pidfd_open(pid)
        os.kill(pid, signal.SIGKILL)
        until(lambda: _has_ended(handle))
        os.close(handle)
        self.alive.remove(pid)

    def end(self) -> None:
        """End them all."""
        for pid in list(self.alive):
            os.kill(pid, signal.SIGKILL)
        self._root.wait(PATIENCE)
        self._master.close()
        shutil.rmtree(self.folder)

    def _send(self, pid: int, words: str) -> None:
        self._master.sendto(words.encode(), str(self.folder / str(pid)))


def _has_ended(handle: int) -> bool:
    import select

    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(0))
