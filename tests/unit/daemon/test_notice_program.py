"""The program of `[notify]`: what it is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from credward.daemon.notice_program import notice_program
from credward.logins.notices import Notice

NOTICE = Notice(
    event="login-required", credentials=("a", "b"), text='"a", "b" need a login: run it'
)
_SHOW = "import json, os, sys; json.dump([sys.argv[1:], dict(os.environ)], open(sys.argv[1], 'w'))"


async def test_it_is_told_by_its_last_argument_and_two_variables(tmp_path: Path) -> None:
    """Of the daemon's environment it gets what a desktop needs, and no secret."""
    environ = {
        "HOME": str(tmp_path),
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/bus",
        "DISPLAY": ":0",
        "GATEWAY_KEY": "canary",
        "CREDWARD_SOCKET": "/s",
        "LD_PRELOAD": "",
        "PATH": "/evil",
    }
    out = tmp_path / "out"
    run = notice_program(environ)
    await run((sys.executable, "-IS", "-c", _SHOW, str(out)), NOTICE)
    arguments, seen = json.loads(out.read_text())
    seen.pop("LC_CTYPE", None)

    assert arguments == [str(out), NOTICE.text]
    assert seen.pop("PATH") != "/evil"
    assert seen == {
        "HOME": str(tmp_path),
        "DBUS_SESSION_BUS_ADDRESS": "unix:path=/bus",
        "DISPLAY": ":0",
        "CREDWARD_EVENT": "login-required",
        "CREDWARD_CREDENTIALS": "a b",
    }
