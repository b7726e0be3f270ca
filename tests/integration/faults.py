"""A small file system of one's own, to be filled, made read-only or taken away; and a daemon that keeps its state there.

Needs root and the right to mount. What should happen then is the test's business.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from fakes.oauth_server import OAuthServer
from integration.daemon import Answer, DaemonFactory, RunningDaemon, permit_all

__all__ = ["SmallDisk", "missing", "oauth_daemon"]


def missing() -> str | None:
    """Return what stands in the way of mounting, None where nothing does."""
    if os.geteuid() != 0:
        return "mounting needs root"
    with tempfile.TemporaryDirectory() as folder:
        tried = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True
        )
        if tried.returncode:
            return "mounting is not permitted here"
        subprocess.run(["umount", folder], check=True)
    return None


class SmallDisk:
    """Two megabytes at *path*, until its block ends or it is removed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._covered = 0
        path.mkdir(mode=0o700, parents=True)
        _run("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", str(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.remove()

    def fill(self) -> None:
        """Leave no room."""
        with (self.path / "filler").open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(bytes(4096))

    def free(self) -> None:
        """Make room again."""
        (self.path / "filler").unlink(missing_ok=True)

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Without room inside this block."""
        self.fill()
        try:
            yield
        finally:
            self.free()

    @contextlib.contextmanager
    def read_only(self) -> Iterator[None]:
        """Read-only inside this block, but for files that are open already."""
        # A view of it in its own place: files that are open for writing forbid a plain remount.
        _run("mount", "--bind", str(self.path), str(self.path))
        _run("mount", "-o", "remount,bind,ro", str(self.path))
        self._covered += 1
        try:
            yield
        finally:
            _run("umount", str(self.path))
            self._covered -= 1

    def remove(self) -> None:
        """Unmount it."""
        for _ in range(self._covered + 1):
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)


class OAuthDaemon:
    """A daemon with the credentials *names*, each on a rotating grant of its own at *server*."""

    def __init__(
        self,
        factory: DaemonFactory,
        server: OAuthServer,
        folder: Path,
        *names: str,
        extra: str = "",
    ) -> None:
        self.server = server
        blocks = [
            f'[credentials.{name}]\nprovider = "oauth"\nissuer = "{server.issuer}"\n'
            f'client_id = "client-1"\nscope = "openid offline_access"\ngrant = "{name}"\n{extra}'
            for name in names
        ]
        # Without a word of what was handed out nothing is: the record lies elsewhere.
        self.daemon = factory.prepare(
            permit_all(folder) + f'[audit]\npath = "{folder}/audit.log"\n' + "".join(blocks)
        )
        self.disk = SmallDisk(self.daemon.state_dir)

    def log_in(self, name: str) -> Answer:
        """Hand a grant over."""
        return self.daemon.hand_over(name, self.server.grant())

    def refresh(self, name: str) -> Answer:
        """Have it minted anew, which rotates its grant."""
        return self.daemon.request("POST", f"/v1/credentials/{name}/refresh?timeout=60")

    def grant(self, name: str) -> dict[str, Any]:
        """Return what status says of a grant."""
        listed = self.daemon.request("GET", "/v1/credentials").json()
        return next(each for each in listed["grants"] if each["name"] == name)

    @property
    def warnings(self) -> list[str]:
        """What status warns of."""
        return self.daemon.request("GET", "/v1/credentials").json()["warnings"]

    @property
    def journals(self) -> list[Path]:
        """The journals that lie in the state directory."""
        return sorted((self.daemon.state_dir / "journals").glob("*.journal"))

    @property
    def revoked(self) -> bool:
        """Whether the server saw a refresh token twice, which ends a login."""
        return any(family.revoked for family in self.server.families)


@contextlib.contextmanager
def oauth_daemon(factory: DaemonFactory, *names: str, extra: str = "") -> Iterator[OAuthDaemon]:
    """Run such a daemon; it is not started yet."""
    folder = Path(tempfile.mkdtemp(prefix="cwf-"))
    with OAuthServer() as server:
        made = OAuthDaemon(factory, server, folder, *names, extra=extra)
        try:
            yield made
        finally:
            if made.daemon.running:
                made.daemon.stop()
            made.disk.remove()
            shutil.rmtree(folder)


def cannot_write(pid: int, *, on: bool = True) -> None:
    """Have every write of this process to a file fail (EFBIG), or let it write again."""
    hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0 if on else hard, hard))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def without_rights_of_root(daemon: RunningDaemon) -> None:
    """Have the modes of files count for *daemon* too."""
    daemon.wrapper = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")
