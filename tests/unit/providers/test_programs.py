"""One program, run to its end or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from credward.providers.programs import OutputTooLongError, run_program
from fakes.watching import gone, pids_in
from marks import slow
from waiting import PATIENCE, until

ENVIRON = {"PATH": "/usr/bin:/bin"}


def run(script, *, timeout=2 * PATIENCE, limit=1000, standard_input=b""):
    """Run a shell script."""
    deadline = time.monotonic() + timeout
    return run_program(
        ["/bin/sh", "-c", script],
        environ=ENVIRON,
        standard_input=standard_input,
        limit=limit,
        remaining=lambda: deadline - time.monotonic(),
    )


def test_output_code_and_size_of_the_errors():
    """The text of the errors is not kept."""
    result = run("echo text; echo error >&2; exit 3")

    assert (result.exit_code, result.output, result.error_size) == (3, b"text\n", 6)
    assert "text" not in repr(result)


def test_the_last_line_of_the_errors_is_kept_masked():
    """What the program was given or printed, and what looks like a secret, is not in it."""
    script = (
        "read given; echo printed-1; echo one >&2; echo $given printed-1 $0x token=t >&2; exit 1"
    )
    result = run(script, standard_input=b"given-word\n")

    assert result.error_line == "*** *** /bin/shx token=***"
    assert "token" not in repr(result)


def test_what_it_printed_as_json_is_masked_too():
    """Each word of it, as an error text has it."""
    result = run("""echo '{"token":"swordfish"}'; echo bad swordfish >&2; exit 1""")

    assert result.error_line == "bad ***"


def test_a_last_line_without_a_beginning_is_not_kept():
    """What comes before it might have said that it is a secret."""
    assert run("head -c 9000 /dev/zero | tr '\\0' x >&2").error_line == ""
    assert (
        run("head -c 9000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2").error_line == "end"
    )


def test_a_signal_is_a_negative_code():
    """As `subprocess` has it."""
    assert run("kill -9 $$").exit_code == -9


def test_input_is_fed_and_closed():
    """More than a pipe holds, to a reader and to one that does not read."""
    text = b"x" * 300_000

    assert run("cat | wc -c", standard_input=text).output.strip() == b"300000"
    assert run("exec <&-; echo t", standard_input=text).output == b"t\n"
    assert run("cat").output == b""


def test_errors_without_end_do_not_block_it():
    """They are counted and thrown away."""
    result = run("head -c 1000000 /dev/zero >&2; echo t")

    assert (result.output, result.error_size) == (b"t\n", 1_000_000)


@pytest.mark.parametrize("script", ["yes", "head -c 1001 /dev/zero; sleep 60"])
def test_t6_too_much_output_ends_it(script):
    """At once, not at the deadline."""
    started = time.monotonic()
    with pytest.raises(OutputTooLongError):
        run(script)

    assert time.monotonic() - started < PATIENCE


def test_exactly_the_limit_is_allowed():
    """The byte after it is not."""
    assert len(run("head -c 1000 /dev/zero").output) == 1000


@pytest.mark.skipif(sys.platform != "linux", reason="needs a handle on the process")
def test_it_has_ended_when_the_program_has():
    """Not when its pipes close: an agent that it left running holds them."""
    started = time.monotonic()
    result = run("sleep 600 & echo $!")

    assert time.monotonic() - started < PATIENCE
    left = int(result.output)
    assert not gone(left)
    os.kill(left, signal.SIGKILL)


@pytest.mark.parametrize(
    "script",
    [
        "trap '' TERM INT HUP; echo $$ >>{0}; sleep 606 & echo $! >>{0}; wait",
        *slow(
            "sleep 606 & echo $! >>{0}; echo $$ >>{0}; sleep 607",
            "exec >&- 2>&- </dev/null; echo $$ >>{0}; sleep 606 & echo $! >>{0}; wait",
        ),
    ],
)
def test_t18_a_hung_program_is_killed_with_its_children(tmp_path, script):
    """Also with deaf ones, and when it has closed its pipes."""
    mark = tmp_path / "pids"
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        run(script.format(mark), timeout=3)

    assert time.monotonic() - started < PATIENCE
    assert len(pids_in(mark)) == 2
    until(lambda: all(gone(pid) for pid in pids_in(mark)))


_WORKER = """
import ctypes, sys, time
from credward.providers.programs import run_program
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
def run(script, timeout):
    deadline = time.monotonic() + timeout
    return run_program(["/bin/sh", "-c", script], environ={"PATH": "/usr/bin:/bin"}, standard_input=b"",
                       limit=99, remaining=lambda: deadline - time.monotonic())
mark, agent = sys.argv[1:]
run(f"setsid sleep 608 >&- 2>&- & echo $! >>{agent}", 60)
try:
    run(f'(setsid sh -c "echo \\\\$\\\\$ >>{mark}; sleep 609" &); sleep 1000', 4)
except TimeoutError:
    print("killed", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a child subreaper")
def test_t18_who_left_the_group_is_killed_and_an_older_agent_is_not(tmp_path, pytestconfig):
    """Inside a worker, which orphans come back to."""
    mark, agent = tmp_path / "mark", tmp_path / "agent"
    with subprocess.Popen(
        [sys.executable, "-c", _WORKER, str(mark), str(agent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": str(pytestconfig.rootpath / "broker")},
    ) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"killed\n"
        (left,) = pids_in(mark)
        (older,) = pids_in(agent)

        until(lambda: gone(left))
        assert not gone(older)
        subprocess.run(["kill", "-9", str(older)], check=True)
        worker.communicate()


def test_what_cannot_start_is_an_os_error(tmp_path):
    """Worded by `io`."""
    with pytest.raises(OSError, match="No such file"):
        run_program(
            [str(tmp_path / "x")], environ={}, standard_input=b"", limit=1, remaining=lambda: 1.0
        )
