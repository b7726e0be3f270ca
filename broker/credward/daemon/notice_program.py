"""Runs the program of `[notify]`: with a deadline, one at a time, without secrets.

`logins.notices` decides when to run it and what it says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from credward.logins.notices import Notice
from credward.processes import kill_tree
from credward.workers.environment import build_program_environment

__all__ = ["notice_program"]

_log = logging.getLogger(__name__)

# Long enough to show a message; a longer program must detach (setsid --fork) (seconds).
_DEADLINE = 30.0
# When to check first for its end; then after twice as long each time (seconds).
_POLL_FIRST, _POLL_LAST = 0.01, 0.5
# How long to wait for a killed process to die (seconds).
_BURY = 0.1


def notice_program(
    environ: Mapping[str, str], *, deadline: float = _DEADLINE
) -> Callable[[tuple[str, ...], Notice], Coroutine[Any, Any, None]]:
    """Return a function that runs a program for a notice; it sees very little of *environ*.

    The line for a human is its last argument; CREDWARD_EVENT and CREDWARD_CREDENTIALS (separated by
    spaces) are for programs. Failures are logged, nothing is raised.
    """

    async def run(command: tuple[str, ...], notice: Notice) -> None:
        try:
            async with asyncio.timeout(deadline):
                code = await _run(command, notice, environ)
        except TimeoutError:
            _log.warning("notify: %s took longer than %g s and was killed", command[0], deadline)
        except OSError as error:
            _log.warning("notify: %s cannot be run: %s", command[0], error.strerror)
        else:
            level = logging.WARNING if code else logging.INFO
            _log.log(level, "notify: %s was run for %s, exit %d", command[0], notice.event, code)

    return run


async def _run(command: tuple[str, ...], notice: Notice, environ: Mapping[str, str]) -> int:
    env = build_program_environment(environ)
    env["CREDWARD_EVENT"] = notice.event
    env["CREDWARD_CREDENTIALS"] = " ".join(notice.credentials)
    # Returns at exec, a millisecond later.
    process = subprocess.Popen(  # noqa: ASYNC220
        _words(command, notice),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env=env,
        cwd="/",
    )
    try:
        pause = _POLL_FIRST
        while (code := process.poll()) is None:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _POLL_LAST)
        return code
    finally:
        if process.returncode is None:
            kill_tree(process.pid, programs=True)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_BURY)


def _words(command: tuple[str, ...], notice: Notice) -> list[str]:
    program, *arguments = command
    if program.startswith("~/"):
        program = str(Path(program).expanduser())
    return [program, *arguments, notice.text]
