"""Runs the program of `[notify]` and tells it what happened.

`logins.notices` decides when to run it and what it says; `own_program` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from credward.daemon.own_program import OwnProgram, run_own_program
from credward.logins.notices import Notice

__all__ = ["notice_program"]


def notice_program(
    environ: Mapping[str, str],
) -> Callable[[tuple[str, ...], Notice], Coroutine[Any, Any, None]]:
    """Return a function that runs a program for a notice; it sees very little of *environ*.

    The line for a human is its last argument; CREDWARD_EVENT and CREDWARD_CREDENTIALS (separated by
    spaces) are for programs. Failures are logged, nothing is raised.
    """

    async def run(command: tuple[str, ...], notice: Notice) -> None:
        program = OwnProgram(
            command=(*command, notice.text),
            variables={
                "CREDWARD_EVENT": notice.event,
                "CREDWARD_CREDENTIALS": " ".join(notice.credentials),
            },
            key="notify",
            occasion=notice.event,
        )
        await run_own_program(program, environ)

    return run
