"""The helper as a process: descriptors, terminals, deadlines, what it costs."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from fakes.daemon import HOLD, CannedDaemon, Pause, answer
from transcripts.programs import native_helper
from waiting import PATIENCE

TOKEN = answer(200, b"abc\n")
DENIED = answer(403, b"denied by policy\nask the author\n", headers=[("Credward-Kind", "denied")])


def run(helper: list[str], environment: dict[str, str], *words: str, **more: object):
    """Run to the end."""
    return subprocess.run(
        [*helper, *words],
        env=environment,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        **more,
    )


def is_twin(helper: list[str]) -> bool:
    """Whether this is the Python twin."""
    return len(helper) > 1


def test_shows_the_hint_on_a_terminal(helper, environment, socket_path) -> None:
    """Harnesses show one line only; a person gets the second one."""
    if is_twin(helper):
        pytest.skip("the twin asks for JSON, as the command line does")
    ours, theirs = pty.openpty()
    with CannedDaemon(socket_path, [DENIED]):
        done = subprocess.run(
            [*helper, "x"],
            env=environment,
            stderr=theirs,
            stdout=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)

    assert done.returncode == 77
    assert shown == b"credward: denied by policy\r\nhint: ask the author\r\n"


def test_never_reads_standard_input(helper, environment, socket_path) -> None:
    """A harness keeps it open for ever, with or without something in it."""
    ours, theirs = os.pipe()
    os.write(theirs, b"not for us")
    with CannedDaemon(socket_path, [TOKEN]):
        done = run(helper, environment, "x", stdin=ours)

    assert done.stdout == b"abc\n"
    assert os.read(ours, 100) == b"not for us"
    os.close(ours)
    os.close(theirs)


def test_waits_for_a_reader_that_does_not_block(helper, environment, socket_path) -> None:
    """Standard output may be a full, non-blocking pipe of an event loop."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    filling = b"." * 65536
    assert os.write(theirs, filling) == len(filling)
    with CannedDaemon(socket_path, [TOKEN]):
        process = subprocess.Popen([*helper, "x"], env=environment, stdout=theirs)
        time.sleep(0.3)
        assert process.poll() is None
        got = b""
        while len(got) < len(filling):
            got += os.read(ours, 65536)
        assert process.wait(timeout=PATIENCE) == 0
    os.close(theirs)

    assert os.read(ours, 100) == b"abc\n"
    os.close(ours)


def full_pipe() -> tuple[int, int, bytes]:
    """Return both ends of a pipe that takes nothing more, and what is in it."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    filling = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            filling += b"." * os.write(theirs, b"." * 65536)
    os.set_blocking(theirs, True)
    return ours, theirs, filling


def full_socket() -> tuple[int, int, bytes]:
    """Return the same of a pair of sockets, as harnesses on Node.js have them."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    filling = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            filling += b"." * theirs.send(b"." * 65536)
    theirs.setblocking(True)
    return ours.detach(), theirs.detach(), filling


OUTPUTS = {"pipe": full_pipe, "socket": full_socket}
TIMED_OUT = b"credward: writing to standard output timed out: check who reads it\n"


@pytest.mark.parametrize("kind", OUTPUTS)
@pytest.mark.parametrize("token", [b"abc\n", b"a" * 16384 + b"\n"], ids=["short", "longest"])
def test_s11_the_deadline_holds_for_a_reader_that_does_not_read(
    helper, environment, socket_path, kind: str, token: bytes
) -> None:
    """Standard output is full and blocks, as a harness has it: 75 like any timeout, and left blocking."""
    ours, theirs, filling = OUTPUTS[kind]()
    with CannedDaemon(socket_path, [answer(200, token)]):
        done = subprocess.run(
            [*helper, "--timeout", "0.5", "x"],
            env=environment,
            stdout=theirs,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )

    assert (done.returncode, done.stderr) == (75, TIMED_OUT)
    assert os.get_blocking(theirs)
    os.close(theirs)
    # What others wrote is whole. A socket may have had room for a part of ours.
    got = b""
    while piece := os.read(ours, 65536):
        got += piece
    assert got.startswith(filling)
    assert token.startswith(got.removeprefix(filling))
    os.close(ours)


def test_s11_the_deadline_holds_where_the_alarm_is_blocked(
    helper, environment, socket_path
) -> None:
    """The mask of signals is inherited from the harness."""
    _, theirs, _ = full_pipe()
    with CannedDaemon(socket_path, [TOKEN]):
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        try:
            process = subprocess.Popen(
                [*helper, "--timeout", "0.5", "x"],
                env=environment,
                stdout=theirs,
                stderr=subprocess.PIPE,
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        _, said = process.communicate(timeout=PATIENCE)

    assert (process.returncode, said) == (75, TIMED_OUT)


def test_s11_the_deadline_holds_for_the_line_about_a_failure(
    helper, environment, socket_path
) -> None:
    """Standard error may be as full; the exit code says it then."""
    if is_twin(helper):
        pytest.skip("the twin waits for whoever reads its line")
    _, theirs, _ = full_pipe()
    with CannedDaemon(socket_path, [DENIED]):
        done = subprocess.run(
            [*helper, "--timeout", "0.5", "x"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=theirs,
            timeout=PATIENCE,
            check=False,
        )

    assert (done.returncode, done.stdout) == (77, b"")


@pytest.mark.parametrize("kind", OUTPUTS)
def test_a_reader_that_comes_late_gets_the_whole_token(
    helper, environment, socket_path, kind: str
) -> None:
    """Waiting for room is no failure before the deadline."""
    ours, theirs, filling = OUTPUTS[kind]()
    token = b"a" * 16384 + b"\n"
    with CannedDaemon(socket_path, [answer(200, token)]):
        process = subprocess.Popen(
            [*helper, "--timeout", "100", "x"], env=environment, stdout=theirs
        )
        os.close(theirs)
        got = b""
        while piece := os.read(ours, 4096):
            got += piece
        assert process.wait(timeout=PATIENCE) == 0
    os.close(ours)

    assert got == filling + token


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_prints_nowhere_else_when_a_standard_descriptor_is_closed(
    helper, environment, socket_path, closed: int
) -> None:
    """The socket must not become descriptor 1 and swallow the token."""
    with CannedDaemon(socket_path, [TOKEN]) as daemon:
        done = subprocess.run(
            ["/bin/sh", "-c", f'exec "$@" {closed}>&-', "sh", *helper, "x"],
            env=environment,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    asked = [head.endswith("\r\n\r\n") for head in daemon.asked]
    # The twin sees that there is nowhere to print before it asks.
    assert asked == ([] if is_twin(helper) and closed == 1 else [True])
    if closed == 1:
        assert done.returncode == 70
        assert done.stderr == b"credward: standard output cannot be written: check who reads it\n"
    else:
        assert (done.returncode, done.stdout) == (0, b"abc\n")


def test_ends_without_a_word_when_its_reader_has_left(helper, environment, socket_path) -> None:
    """As every other program in a pipeline."""
    ours, theirs = os.pipe()
    os.close(ours)
    with CannedDaemon(socket_path, [TOKEN]):
        done = subprocess.run(
            [*helper, "x"],
            env=environment,
            stdout=theirs,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
    os.close(theirs)

    # Python's way is its own, and as quiet.
    assert (done.returncode, done.stderr) == (1 if is_twin(helper) else -signal.SIGPIPE, b"")


def test_r3_the_deadline_is_for_all_of_it(helper, environment, socket_path) -> None:
    """A daemon that trickles does not get a new deadline with each byte."""
    trickle = [step for byte in TOKEN for step in (bytes([byte]), Pause(0.2))]
    with CannedDaemon(socket_path, trickle):
        began = time.monotonic()
        done = run(helper, environment, "--timeout", "0.5", "x")
        took = time.monotonic() - began

    assert done.returncode == 75
    # By the rules of each byte it would be all of them, and more than a busy machine needs.
    assert took < 0.2 * len(TOKEN)


def test_s11_what_is_printed_fits_the_exit_code(helper, environment, socket_path) -> None:
    """Also where the deadline comes just when the token is printed."""
    if is_twin(helper):
        pytest.skip("its start alone takes longer than that")
    with CannedDaemon(socket_path, [TOKEN]):
        ends = [
            run(helper, environment, "--timeout", f"0.00{1 + number % 5}", "x")
            for number in range(100)
        ]

    assert {(done.returncode == 0, done.stdout) for done in ends} <= {
        (True, b"abc\n"),
        (False, b""),
    }


def test_s7_a_removed_runtime_directory_costs_no_time(helper, environment, directory) -> None:
    """Not running is said at once; the bound leaves room for an interpreter's start."""
    shutil.rmtree(directory / "run")
    took = []
    for _ in range(10):
        began = time.monotonic()
        assert run(helper, environment, "x").returncode == 69
        took.append(time.monotonic() - began)

    # The best of them: the others tell what else this machine does.
    assert min(took) < (0.1 if len(helper) == 1 else 1.0)


def test_survives_a_vector_without_arguments(environment, socket_path) -> None:
    """Execve with an empty vector is legal (kernels since 5.18 put an empty name there)."""
    binary = native_helper("gcc-sanitized") or native_helper("gcc")
    if binary is None:
        pytest.skip("no compiler")
    with CannedDaemon(socket_path, [TOKEN]):
        done = subprocess.run(
            [""],
            executable=binary,
            env=environment,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )

    assert done.stdout == b"abc\n"


def traced(environment: dict[str, str], directory: Path, *words: str) -> list[str]:
    """Return the system calls of the static helper, one per line."""
    binary = native_helper("musl")
    if binary is None or shutil.which("strace") is None:
        pytest.skip("needs musl-gcc and strace")
    log = directory / "trace"
    # Where it looks for settings files: in this folder, as in a repository's own.
    (directory / ".git").mkdir()
    done = subprocess.run(
        ["strace", "-f", "-o", str(log), str(binary), *words],
        env=environment,
        cwd=directory,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    if not log.exists() or "execve" not in log.read_text():
        pytest.skip("tracing is not allowed here")
    assert done.returncode == 0
    calls = [line.split(maxsplit=1)[1] for line in log.read_text().splitlines()]
    return [call for call in calls if re.match(r"\w+\(", call)]


def test_costs_at_most_27_system_calls(environment, socket_path, directory) -> None:
    """A bound on calls is steadier than one on time; five of them find no settings in a repository."""
    with CannedDaemon(socket_path, [TOKEN]):
        calls = traced(environment, directory, "x")

    assert len(calls) <= 22 + 5, calls


def test_stays_dumpable_until_the_answer_arrived(environment, socket_path, directory) -> None:
    """Attestation reads /proc/PID/exe before the answer; afterwards there is a secret in memory."""
    with CannedDaemon(socket_path, [TOKEN]):
        calls = [call.split("(")[0] for call in traced(environment, directory, "x")]

    assert calls.index("sendto") < calls.index("prctl") < calls.index("recvfrom")


def test_allocates_nothing(environment, socket_path, directory) -> None:
    """The C helper has no heap at all, before or after reading a secret."""
    with CannedDaemon(socket_path, [TOKEN]):
        calls = {call.split("(")[0] for call in traced(environment, directory, "x")}

    assert not calls & {"brk", "mmap", "mmap2", "mremap"}


def test_a_token_is_in_no_argument_and_no_message(helper, environment, socket_path) -> None:
    """H3: an answer that is refused is described, never quoted."""
    canary = b"canary-3f9a"
    for body in (canary + b" x\n", canary + b"\n" + canary, canary * 2000):
        with CannedDaemon(socket_path, [answer(200, body)]):
            done = run(helper, environment, "x")
        assert done.returncode == 70
        assert canary not in done.stdout + done.stderr


def test_s11_the_deadline_holds_for_a_daemon_that_takes_nobody(
    helper, environment, socket_path
) -> None:
    """Its queue is full, and stays so."""
    socket_path.parent.mkdir(mode=0o700)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(socket_path))
        listener.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                waiting.connect(str(socket_path))
        done = run(helper, environment, "--timeout", "0.5", "x")

    assert (done.returncode, done.stdout) == (75, b"")
    assert done.stderr.count(b"\n") == 1
    if not is_twin(helper):
        assert (
            done.stderr
            == b"credward: the daemon does not accept connections: run credward status\n"
        )


def test_a_busy_daemon_is_waited_for(helper, environment, socket_path) -> None:
    """A full backlog is not an absent daemon."""
    # The Python client reads to the end of the connection, which it asks for.
    script = [Pause(0.2), TOKEN, *(() if is_twin(helper) else (HOLD,))]
    with CannedDaemon(socket_path, script):
        crowd = [
            subprocess.Popen(
                [*helper, "--timeout", "20", "x"], env=environment, stdout=subprocess.PIPE
            )
            for _ in range(12)
        ]
        said = [process.communicate(timeout=PATIENCE)[0] for process in crowd]

    assert said == [b"abc\n"] * 12
