"""Runs a program that the owner configured: with a deadline, without secrets, and never raises.

`notice_program` and `sink_program` say which program and what it is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward.processes import kill_tree
from credward.workers.environment import build_program_environment

__all__ = ["OwnProgram", "run_own_program"]

_log = logging.getLogger(__name__)

# Long enough to show a message; a longer program must detach (setsid --fork) (seconds).
_DEADLINE = 30.0
# When to check first for its end; then after twice as long each time (seconds).
_POLL_FIRST, _POLL_LAST = 0.01, 0.5
# How long to wait for a killed process to die (seconds).
_BURY = 0.1


class OwnProgram(msgspec.Struct, frozen=True, kw_only=True):
    """A program and its arguments, *variables* for it, and words for the log.

    *key*: the setting that names it; *occasion*: what it is run for.
    """

    command: tuple[str, ...]
    variables: Mapping[str, str]
    key: str
    occasion: str


async def run_own_program(
    program: OwnProgram, environ: Mapping[str, str], *, deadline: float = _DEADLINE
) -> None:
    """Run it with very little of *environ*, and kill it at the *deadline* with all it started.

    How it ended is logged; nothing is raised.
    """
    key, name = program.key, program.command[0]
    try:
        async with asyncio.timeout(deadline):
            code = await _run(program, environ)
    except TimeoutError:
        _log.warning("%s: %s took longer than %g s and was killed", key, name, deadline)
    except OSError as error:
        _log.warning("%s: %s cannot be run: %s", key, name, error.strerror)
    else:
        level = logging.WARNING if code else logging.INFO
        _log.log(level, "%s: %s was run for %s, exit %d", key, name, program.occasion, code)


async def _run(program: OwnProgram, environ: Mapping[str, str]) -> int:
    # Returns at exec, a millisecond later.
    process = subprocess.Popen(  # noqa: ASYNC220
        _words(program.command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**build_program_environment(environ), **program.variables},
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


def _words(command: tuple[str, ...]) -> list[str]:
    program, *arguments = command
    if program.startswith("~/"):
        program = str(Path(program).expanduser())
    return [program, *arguments]
