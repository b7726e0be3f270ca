"""What is typed unseen, on a terminal of its own: however it ends, the terminal shows all again."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

import credward.cli
from waiting import until

SET = [sys.executable, "-m", "credward", "secret", "set", "key"]
# Without a terminal that controls it: then standard input is the one that hides.
ASK = [
    sys.executable,
    "-c",
    "from credward.cli.hidden_prompt import hidden_prompt; print(len(hidden_prompt('value')))",
]


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: the end of its user, and the end of programs."""
    user, program = pty.openpty()
    yield user, program
    os.close(user)
    os.close(program)


def start(
    words: list[str], terminal: int, home: Path, *, controls: bool = True
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        words,
        env={"PATH": os.defpath, "HOME": str(home), "TERM": "xterm", "CREDWARD_NO_START": "1"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        preexec_fn=(lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)) if controls else None,
    )


def shows(terminal: int) -> bool:
    return bool(termios.tcgetattr(terminal)[3] & termios.ECHO)


def asks(user: int) -> None:
    """Wait for the question, which comes when nothing is shown any more."""
    shown = b""
    while b": " not in shown:
        shown += os.read(user, 4096)


@pytest.mark.parametrize("words", [SET, ASK], ids=["its terminal", "standard input"])
@pytest.mark.parametrize(
    "number", [signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGINT], ids=lambda n: n.name
)
def test_a_signal_leaves_a_terminal_that_shows_what_is_typed(
    terminal: tuple[int, int], tmp_path: Path, words: list[str], number: signal.Signals
) -> None:
    """Whoever sent it sees that it ended the command."""
    user, program = terminal
    with start(words, program, tmp_path, controls=words is SET) as process:
        asks(user)
        assert not shows(program)

        def ended() -> bool:
            # Python misses a signal that comes just before it waits for a key.
            process.send_signal(number)
            return process.poll() is not None

        until(ended)

    assert shows(program)
    if number is not signal.SIGINT:
        assert process.returncode == -number


def test_an_ignored_signal_stays_ignored(terminal: tuple[int, int], tmp_path: Path) -> None:
    """As after `nohup`."""
    user, program = terminal
    words = ["/bin/sh", "-c", 'trap "" HUP; exec "$@"', "sh", *ASK]
    with start(words, program, tmp_path) as process:
        asks(user)
        process.send_signal(signal.SIGHUP)
        os.write(user, b"four\n")

    assert process.returncode == 0
    assert shows(program)


def test_nothing_else_hides_what_is_typed() -> None:
    """The rest of the command line asks through this."""
    folder = Path(credward.cli.__file__).parent

    assert [
        each.relative_to(folder).as_posix()
        for each in folder.rglob("*.py")
        if "hide_input" in each.read_text() or "getpass(" in each.read_text()
    ] == ["hidden_prompt.py"]
