"""S6: the helpers look for the socket where the daemon and the command line do, in the same order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from credward.paths import find_paths
from transcripts.programs import native_helper

LONG = "/" + "a" * 120

ENVIRONMENTS = {
    "all": {"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "XDG_STATE_HOME": "/s"},
    "home only": {"HOME": "/h"},
    "relative": {"HOME": "/h", "XDG_RUNTIME_DIR": "r", "XDG_STATE_HOME": "s"},
    "empty": {"HOME": "/h", "XDG_RUNTIME_DIR": "", "XDG_STATE_HOME": "", "CREDWARD_SOCKET": ""},
    "the login directory": {"HOME": "/h", "XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}"},
    "too long": {"HOME": "/h", "XDG_RUNTIME_DIR": LONG},
    "all too long": {"HOME": LONG, "XDG_RUNTIME_DIR": LONG},
    "just right": {"HOME": "/h", "XDG_RUNTIME_DIR": "/" + "r" * (107 - 1 - 23)},
    "one more": {"HOME": "/h", "XDG_RUNTIME_DIR": "/" + "r" * (107 - 23)},
    "named": {"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "CREDWARD_SOCKET": "/x/y.sock"},
}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_s6_the_helper_looks_where_the_configuration_says(name: str, tmp_path: Path) -> None:
    """In that order, and nowhere else; the kernel tells where."""
    helper = native_helper("musl")
    if helper is None or shutil.which("strace") is None:
        pytest.skip("needs musl-gcc and strace")
    environ = ENVIRONMENTS[name]
    log = tmp_path / "trace"
    subprocess.run(
        ["strace", "-o", str(log), str(helper), "--check", "ready"],
        env={**environ, "CREDWARD_NO_START": "1"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    if not log.exists():
        pytest.skip("tracing is not allowed here")
    asked = re.findall(
        r'^l?(?:new)?(?:f?stat\w*)\((?:AT_FDCWD, )?"([^"]+)"', log.read_text(), re.MULTILINE
    )
    wanted = [str(each.parent) for each in find_paths(environ).sockets]

    assert [each for each in asked if each in wanted] == wanted
    own = f"/run/user/{os.geteuid()}"
    assert set(asked) - set(wanted) <= {
        own,
        f"{own}/credward",
        "/run",
        *map(str, find_paths(environ).sockets),
    }
