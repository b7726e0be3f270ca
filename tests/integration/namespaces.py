"""A network of one's own, in which real host names lead to loopback; nothing leaves the machine.

Runs a module of the tests in it, with an /etc/hosts of its own; the host's files are not touched.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

__all__ = ["WAYS", "run_inside"]

TESTS = Path(__file__).parents[1]
# As root, and as anybody else: the root of a user namespace.
WAYS: Mapping[str, tuple[str, ...]] = {
    "root": ("unshare", "-n", "-m"),
    "user": ("unshare", "-U", "-r", "-n", "-m"),
}
# $0 holds the private files; the rest is the program.
INSIDE = """
ip link set lo up
mount --make-rprivate /
mount --bind "$0/hosts" /etc/hosts
mount --bind "$0/nsswitch.conf" /etc/nsswitch.conf
exec "$@"
"""


@functools.cache
def _permitted(way: str) -> bool:
    if sys.platform != "linux" or not shutil.which("unshare") or not shutil.which("ip"):
        return False
    probe = ["sh", "-ec", "ip link set lo up; mount --make-rprivate /"]
    return subprocess.run([*WAYS[way], *probe], capture_output=True).returncode == 0


def run_inside(
    module: str,
    *arguments: str,
    hosts: Mapping[str, str],
    folder: Path,
    way: str | None = None,
) -> str:
    """Return what `python -m module` printed, inside; skip where *way* (None: any) is not permitted.

    *hosts* are the names that exist there, with their addresses; *folder* gets a few files.
    """
    ways = [each for each in WAYS if way in {None, each} and _permitted(each)]
    if not ways:
        command = " ".join(WAYS[way or "user"])
        pytest.skip(f"network namespaces are not permitted here ({command}), or there is no ip")
    folder.mkdir()
    lines = [f"{address} {name}\n" for name, address in hosts.items()]
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(lines))
    (folder / "nsswitch.conf").write_text("hosts: files\n")
    done = subprocess.run(
        [*WAYS[ways[0]], "sh", "-ec", INSIDE, folder, sys.executable, "-m", module, *arguments],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "broker"), str(TESTS)]),
        },
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
