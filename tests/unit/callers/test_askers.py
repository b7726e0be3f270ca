"""Who asked, as `status` says it."""

from __future__ import annotations

from typing import Any

import pytest

from credward.callers.askers import Asker, asker_of
from credward.callers.caller import Ancestor, Caller, Executable, Process
from credward.callers.programs import UNKNOWN_HARNESS

PARENT, ABOVE, ITSELF = Ancestor(20, 2), Ancestor(10, 1), Ancestor(30, 3)


def caller(name: str | None, path: str | None = None, **facts: Any) -> Caller:
    """Return one below a shell and another process."""
    facts = {"pid": 30, "start_time": 3, "ancestors": (PARENT, ABOVE), **facts}
    executable = None if path is None else Executable(path=path)
    return Caller(uid=1, gid=1, name=name, executable=executable, **facts)


def agent(name: str, process: Ancestor = ABOVE) -> Process:
    return Process(pid=process.pid, start_time=process.start_time, name=name)


HELPER = ("credward-helper", "/usr/bin/credward-helper")


@pytest.mark.parametrize(
    ("asking", "asker"),
    [
        (caller(*HELPER, harness="claude", agent=agent("claude")), Asker("claude", ABOVE)),
        # A script below the harness: it works in a folder of its own.
        (caller(*HELPER, harness="claude", agent=agent("python3.11")), Asker("claude", ABOVE)),
        (caller("claude", "/x/claude", harness="claude"), Asker("claude", ITSELF)),
        (caller(*HELPER, harness=UNKNOWN_HARNESS, agent=agent("crush2")), Asker("crush2", ABOVE)),
        (caller(*HELPER, agent=agent("python3.11")), Asker("python", ABOVE)),
        (caller(*HELPER, agent=agent("node-MainThread")), Asker("node", ABOVE)),
        # A program with the Python client asks by itself, wherever it was started.
        (caller("python3.12", "/usr/bin/python3.12", agent=agent("xterm")), Asker("python", ITSELF)),
        # Typed, or a loop of a shell.
        (caller("credward", "/usr/bin/python3", agent=agent("tmux: server")), Asker("a shell", PARENT)),
        (caller(*HELPER), Asker("a shell", PARENT)),
        # Started by a service manager, without a shell.
        (caller(*HELPER, agent=agent("systemd", PARENT)), Asker("systemd", PARENT)),
        (caller(*HELPER, ancestors=()), Asker("credward-helper", ITSELF)),
        (caller(None, None, pid=None, start_time=None), Asker("unknown program", None)),
    ],
)  # fmt: skip
def test_the_harness_else_the_program_else_the_shell(asking: Caller, asker: Asker) -> None:
    """By the name that people know, without a version or a pid."""
    assert asker_of(asking) == asker
