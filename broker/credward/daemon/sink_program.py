"""Runs `on_change` of a sink after it was rewritten.

`sinks` decides when, `own_program` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from credward.config import SinkConfig
from credward.daemon.own_program import OwnProgram, run_own_program

__all__ = ["sink_program"]


def sink_program(
    environ: Mapping[str, str],
) -> Callable[[SinkConfig], Coroutine[Any, Any, None]]:
    """Return a function that runs the program of a sink; it sees very little of *environ*.

    CREDWARD_SINK_PATH is the path of the sink; the token is in no argument and no variable.
    """

    async def run(sink: SinkConfig) -> None:
        program = OwnProgram(
            command=sink.on_change,
            variables={"CREDWARD_SINK_PATH": str(sink.path)},
            key="on_change",
            occasion=sink.name,
        )
        await run_own_program(program, environ)

    return run
