"""A plain `credward status`, the quick way and the long way: nobody can tell one from the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from credward.cli.becoming import native_helper
from fakes.daemon import HOLD, CannedDaemon, answer
from integration.agent_programs import agent
from integration.daemon import DaemonFactory, RunningDaemon
from waiting import until

pytestmark = pytest.mark.skipif(
    native_helper() is None, reason="the helper beside this interpreter is not the native one"
)

# Ages and durations are in hours, so that they read the same for a while.
CONFIG = """
default = "deploy-production-eu-west"

[credentials.gateway]
provider = "local"
lifetime = 360000

[credentials.deploy-production-eu-west]
provider = "local"
lifetime = 720000

[credentials.broken]
provider = "command"
command = ["/bin/false"]
"""
QUICK = ["-m", "credward", "status"]
LONG = ["-c", "from credward.cli.main import main; main()", "status"]
# Says when it waits for its reader.
WAITING = [
    "-c",
    """
import select, sys
wait = select.select
def told(*descriptors):
    print("waits", file=sys.stderr, flush=True)
    return wait(*descriptors)
select.select = told
from credward.__main__ import main
main()
""",
    "status",
]
FULL = (
    b"credward: standard output cannot be written (no space left on device): check where it goes\n"
)
# Ends with an error if the libraries of the command line were loaded.
PROVEN = [
    "-c",
    "import sys; from credward.__main__ import main; main(); sys.exit('click' in sys.modules)",
    "status",
]


@pytest.fixture(scope="module")
def daemon(start_shared_daemon: DaemonFactory) -> Iterator[RunningDaemon]:
    """Somebody has asked it, in a folder whose name has wide characters, and has not ended."""
    daemon = start_shared_daemon(CONFIG)
    folder = daemon.home / "src/\N{CJK UNIFIED IDEOGRAPH-6F22}\N{LATIN SMALL LETTER E WITH ACUTE}"
    with agent(daemon, "claude", folder, ["gateway", "deploy-production-eu-west"]):
        yield daemon


def run(
    words: list[str], environment: Mapping[str, str], width: int | None = None
) -> tuple[int, bytes, bytes]:
    """Return exit code, output and errors; with *width* the output is a terminal so wide."""
    if width is None:
        done = subprocess.run([sys.executable, *words], env=environment, capture_output=True)
        return done.returncode, done.stdout, done.stderr
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=slave, stderr=subprocess.PIPE
    ) as process:
        os.close(slave)
        shown = b""
        # Reading from a terminal that its last user has closed is an error.
        with contextlib.suppress(OSError):
            while chunk := os.read(master, 65_536):
                shown += chunk
        os.close(master)
        assert process.stderr is not None
        said = process.stderr.read()
    return process.returncode, shown, said


def same(
    environment: Mapping[str, str], *words: str, width: int | None = None, quick: list[str] = QUICK
) -> tuple[int, bytes, bytes]:
    """Return what both ways end with; a duration may change between them, but not twice."""
    for _ in range(3):
        first = run([*quick, *words], environment, width)
        second = run([*LONG, *words], environment, width)
        if first == second:
            break

    assert first == second
    return first


@pytest.mark.parametrize("words", [(), ("--wide",)])
@pytest.mark.parametrize("width", [None, 0, 20, 40, 80, 300])
def test_both_ways_print_the_same(
    daemon: RunningDaemon, width: int | None, words: tuple[str, ...]
) -> None:
    """Through a pipe, and on terminals that are narrow, wide, or of an unknown size."""
    code, shown, said = same(daemon.environment, *words, width=width, quick=PROVEN)

    assert (code, said) == (0, b"")
    assert b"gateway" in shown or width == 20
    assert (b"\x1b[1mNAME" in shown) == (width is not None)


@pytest.mark.parametrize(
    "environment",
    [
        {"NO_COLOR": "1"},
        {"NO_COLOR": ""},
        {"TERM": "dumb"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1:replace"},
        {"CREDWARD_CREDENTIAL": "gateway"},
        {"CREDWARD_CREDENTIAL": "-"},
        {"CREDWARD_CREDENTIAL": "sp\N{LATIN SMALL LETTER A WITH DIAERESIS}re & more=%41+"},
        {"HOME": "/"},
        {"HOME": "nowhere"},
        {"HOME": "/with\nlines"},
        {"CREDWARD_WORKER": "1"},
        {"CREDWARD_SOCKET": "/nobody/here.sock"},
        {"CREDWARD_SOCKET": "here.sock"},
    ],
    ids=str,
)
@pytest.mark.parametrize("width", [None, 80])
def test_what_is_set_counts_alike(
    daemon: RunningDaemon, environment: dict[str, str], width: int | None
) -> None:
    """Colours, characters, the choice and the home of a shell, and what makes it an error."""
    same({**daemon.environment, **environment}, width=width)


@pytest.mark.parametrize(
    "words", [("gateway",), ("--json", "gateway"), ("--check",), ("--nonsense",)]
)
def test_the_rest_goes_the_long_way(daemon: RunningDaemon, words: tuple[str, ...]) -> None:
    """Whatever else is asked, or mistyped."""
    code, shown, _ = run([*QUICK, *words], daemon.environment)

    assert (code, bool(shown)) == {"--check": (0, False), "--nonsense": (64, False)}.get(
        words[0], (0, True)
    )


def test_a_first_hour_is_told_what_comes_next(tmp_path: Path) -> None:
    """Without a daemon and a configuration the helper would know less than the command."""
    code, _, said = same({"PATH": os.defpath, "HOME": str(tmp_path)})

    if os.path.exists("/run/credward"):
        pytest.skip("a daemon of this machine would be found")
    assert (code, said) == (69, b"credward: nothing is configured yet: run credward add\n")


@pytest.mark.parametrize(
    "body",
    [
        answer(
            body=b'{"now": 1.0, "pid": 1, "credentials": [{"name": "old", "state": "fresh"}]}',
            content_type="application/json",
        ),
        answer(body=b"NAME\n\x1b[2J\n"),
        answer(503, b"later: wait\n\n", headers=[("Credward-Kind", "store-locked")]),
        answer(body=b"NAME\n", length=99),
    ],
    ids=["an older one", "one that draws", "one that refuses", "one that is cut off"],
)
def test_another_daemon_is_met_alike(folder: Path, body: bytes) -> None:
    """The command asks it again, and says what it makes of the answer."""
    path = folder / "credward.sock"
    with CannedDaemon(path, [body]) as canned:
        same({"PATH": os.defpath, "HOME": str(folder), "CREDWARD_SOCKET": str(path)})

    assert [("Accept: text/plain" in each) for each in canned.asked] == [True, False, False]


def test_a_reader_that_leaves_is_no_error(daemon: RunningDaemon) -> None:
    """As of `credward status | head -1`."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as closed:
        ends = [
            subprocess.run(
                [sys.executable, *words],
                env=daemon.environment,
                stdout=closed,
                stderr=subprocess.PIPE,
            )
            for words in (QUICK, LONG)
        ]

    assert ends[0].stderr == ends[1].stderr == b""
    assert ends[0].returncode == ends[1].returncode


@pytest.mark.parametrize(
    ("redirection", "code", "said"),
    [
        (
            ">/dev/full",
            70,
            FULL,
        ),
        (">/dev/full 2>&1", 70, b""),
        (">&-", 0, b""),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    daemon: RunningDaemon, redirection: str, code: int, said: bytes
) -> None:
    """As for every command; without an output there is nothing to say."""
    if not os.path.exists("/dev/full"):
        pytest.skip("this system has no /dev/full")
    ends = [
        subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, *words],
            env=daemon.environment,
            capture_output=True,
        )
        for words in (QUICK, LONG, [*QUICK, "--json"], [*QUICK, "--help"])
    ]

    assert {(each.returncode, each.stdout, each.stderr) for each in ends} == {(code, b"", said)}


def test_a_reader_that_is_slow_gets_all_of_it(daemon: RunningDaemon) -> None:
    """Also from a pipe that another process made non-blocking."""
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    filled = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            filled += os.write(writes, b"." * 4096)
    with (
        os.fdopen(reads, "rb") as reader,
        subprocess.Popen(
            [sys.executable, *WAITING],
            env=daemon.environment,
            stdout=writes,
            stderr=subprocess.PIPE,
        ) as process,
    ):
        os.close(writes)
        assert process.stderr is not None
        # It may also end instead of waiting; then the rest of this says so.
        began = process.stderr.readline()
        shown = reader.read()
        said = process.stderr.read()

    assert (process.returncode, began, said.replace(began, b"")) == (0, b"waits\n", b"")
    assert shown[filled:].startswith(b"NAME")


def test_a_caller_that_ignores_its_children_is_told_as_well(daemon: RunningDaemon) -> None:
    """Then the kernel says of none how it ended, and the command asks itself."""
    done = subprocess.run(
        [sys.executable, *QUICK],
        env=daemon.environment,
        capture_output=True,
        preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN),
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.count(b"NAME") == 1


def test_ctrl_c_ends_it_as_any_command(folder: Path) -> None:
    """While the daemon says nothing; the helper gets the signal too."""
    path = folder / "credward.sock"
    environment = {"PATH": os.defpath, "HOME": str(folder), "CREDWARD_SOCKET": str(path)}
    with (
        CannedDaemon(path, [HOLD]) as canned,
        subprocess.Popen(
            [sys.executable, *QUICK],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process,
    ):
        until(lambda: canned.asked)
        os.killpg(process.pid, signal.SIGINT)
        shown, said = process.communicate()

    assert (process.returncode, shown, said) == (130, b"", b"\ncredward: cancelled\n")
    assert len(canned.asked) == 1
