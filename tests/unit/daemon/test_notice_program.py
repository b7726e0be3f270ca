"""The program of `[notify]`: what it sees, how long it may take, and that it harms nobody."""

from __future__ import annotations

import json
import logging
import sys
import time
from pathlib import Path

import pytest

from credward.daemon.notice_program import notice_program
from credward.logins.notices import Notice
from fakes.watching import gone
from waiting import PATIENCE, until

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


async def test_one_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """At the deadline, also what moved to a session of its own."""
    mark = tmp_path / "mark"
    script = f"(setsid sh -c 'echo $$ >{mark}; exec sleep 600') & sleep 600"
    begun = time.monotonic()
    await notice_program({}, deadline=6)(("sh", "-c", script), NOTICE)

    assert time.monotonic() - begun < PATIENCE
    assert "took longer than 6 s" in caplog.text
    until(lambda: gone(int(mark.read_text())))


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("/nonexistent/program",), "cannot be run: No such file or directory"),
        (("false",), "was run for login-required, exit 1"),
        (("true",), "was run for login-required, exit 0"),
    ],
)
async def test_how_it_ended_is_logged_and_raises_nothing(
    command: tuple[str, ...], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Telling is a courtesy."""
    caplog.set_level(logging.INFO)
    await notice_program({})(command, NOTICE)

    assert expected in caplog.text
