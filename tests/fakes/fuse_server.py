"""A FUSE file system with one file, whose server answers until it is told to be silent; for root only.

Run as a program it is that server: `fuse_server.py MOUNT_POINT SOURCE`, silent from the first line on
its standard input, gone at the end of it. It prints the number of each request that it left unanswered.
Speaks what a read, an exec and a shared mapping need (linux/fuse.h, protocol 7.31, as served by fs/fuse).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import select
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import Self

__all__ = ["SilentFileSystem", "cannot_mount"]

NAME = "program"
_MNT_DETACH = 2
_IN = struct.Struct("=IIQQIIII")
_OUT = struct.Struct("=IiQ")
_ROOT, _FILE = 1, 2
_BUFFER = 1 << 20
# Requests, by their names in linux/fuse.h.
LOOKUP, FORGET, GETATTR, SETATTR, OPEN, READ, WRITE, RELEASE = 1, 2, 3, 4, 14, 15, 16, 18
FLUSH, INIT, OPENDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET, GETXATTR = 25, 26, 27, 29, 36, 42, 22
_KEEP_CACHE = 2


def cannot_mount() -> str | None:
    """Return why no such file system can be mounted here, None where it can."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "needs Linux and root to mount a file system"
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"needs /dev/fuse ({error.strerror})"
    return None


class SilentFileSystem:
    """The mounted file system; *program* is its one file, a copy of *source*."""

    def __init__(self, point: Path, source: Path) -> None:
        point.mkdir()
        self.program = point / NAME
        self._server = subprocess.Popen(
            [sys.executable, __file__, str(point), str(source)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        self._expect("mounted")
        # From now on it is read from memory: what runs it needs the server for nothing.
        self.program.read_bytes()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def be_silent(self) -> None:
        """Answer nothing from now on."""
        assert self._server.stdin is not None
        self._server.stdin.write("silent\n")
        self._server.stdin.flush()
        self._expect("silent")

    def end(self) -> list[int]:
        """Go, which fails all that waits, and return what was asked in vain."""
        with contextlib.suppress(ValueError, BrokenPipeError):
            output, _ = self._server.communicate("", timeout=60)
            return [int(line) for line in output.split()]
        return []

    def _expect(self, word: str) -> None:
        assert self._server.stdout is not None
        said = self._server.stdout.readline().strip()
        if said != word:
            raise RuntimeError(f"no FUSE server: {said!r}, exit {self._server.poll()}")


class _Server:
    """The far end of /dev/fuse."""

    def __init__(self, point: bytes, content: bytes) -> None:
        self.device = os.open("/dev/fuse", os.O_RDWR)
        self._point = point
        self._content = content
        self._libc = ctypes.CDLL(None, use_errno=True)
        options = f"fd={self.device},rootmode=40000,user_id=0,group_id=0,allow_other"
        if self._libc.mount(b"silent", point, b"fuse", 0, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")

    def unmount(self) -> None:
        self._libc.umount2(self._point, _MNT_DETACH)

    def answer(self) -> None:
        """Answer one request, if its kind wants an answer."""
        number, unique, node, argument = self.read()
        if number in {FORGET, BATCH_FORGET, INTERRUPT}:
            return
        body = self._body(number, node, argument)
        failure = body if isinstance(body, int) else 0
        said = b"" if isinstance(body, int) else body
        os.write(self.device, _OUT.pack(_OUT.size + len(said), -failure, unique) + said)

    def read(self) -> tuple[int, int, int, bytes]:
        raw = os.read(self.device, _BUFFER)
        _, number, unique, node, *_ = _IN.unpack_from(raw)
        return number, unique, node, raw[_IN.size :]

    def _body(self, number: int, node: int, argument: bytes) -> bytes | int:
        """Return what to answer, or the number of an error."""
        if number == INIT:
            # Of the sixteen fields of fuse_init_out: version 7.31, read-ahead, sizes.
            sizes = (1 << 17, 0, 12, 9, 1 << 17, 1, 32, 0)
            return struct.pack("=IIIIHHIIHH7I", 7, 31, *sizes, *[0] * 7)
        if number == LOOKUP:
            if argument.rstrip(b"\0").decode() != NAME:
                return errno.ENOENT
            return struct.pack("=QQQQII", _FILE, *[0] * 5) + self._attributes(_FILE)
        if number in {GETATTR, SETATTR}:
            return struct.pack("=QII", 0, 0, 0) + self._attributes(node)
        if number in {OPEN, OPENDIR}:
            return struct.pack("=QII", 1, _KEEP_CACHE, 0)
        if number == READ:
            _, offset, size = struct.unpack_from("=QQI", argument)
            return self._content[offset : offset + size]
        if number in {RELEASE, RELEASEDIR, FLUSH}:
            return b""
        return errno.ENODATA if number == GETXATTR else errno.ENOSYS

    def _attributes(self, node: int) -> bytes:
        mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o755
        size = 0 if node == _ROOT else len(self._content)
        times = [0] * 6
        return struct.pack(
            "=6Q10I",
            node,
            size,
            (size + 511) // 512,
            *times[:3],
            *times[3:],
            mode,
            1,
            0,
            0,
            0,
            4096,
            0,
        )


def _serve(point: str, source: str) -> None:
    server = _Server(os.fsencode(point), Path(source).read_bytes())
    print("mounted", flush=True)
    silent = False
    try:
        while True:
            ready, _, _ = select.select([server.device, sys.stdin], [], [])
            if sys.stdin in ready:
                if not sys.stdin.readline():
                    return
                silent = True
                print("silent", flush=True)
            elif silent:
                print(server.read()[0], flush=True)
            else:
                server.answer()
    finally:
        server.unmount()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
