"""The program that looks at the environment of another process."""

import subprocess
import sys

import pytest

from credward.callers import mark_probe
from unit.callers.environments import running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_variables_are_those_that_a_process_began_with() -> None:
    """By their whole names, the first that is there; what is gone is hidden."""
    with running(CLAUDECODE="1", CLAUDECODE_NOT="1", X="GEMINI_CLI=1") as pid:
        found = mark_probe.look(pid, ["GEMINI_CLI", "CLAUDECOD", "CLAUDECODE", "X"])
        none = mark_probe.look(pid, ["GEMINI_CLI", "CLAUDECOD"])
    assert found == mark_probe.FIRST + 2
    assert none == mark_probe.NONE
    assert mark_probe.look(pid, ["CLAUDECODE"]) == mark_probe.HIDDEN


@pytest.mark.parametrize(("last", "expected"), [("B", mark_probe.HIDDEN), ("A0", mark_probe.FIRST)])
def test_s5_a_mark_may_lie_behind_more_than_is_read(last: str, expected: int) -> None:
    """What is too long to be read to its end hides a mark; one that was seen before that counts."""
    large = {f"A{index}": "x" * 100_000 for index in range(12)}
    with running(**large, B="1") as pid:
        found = mark_probe.look(pid, [last])

    assert found == expected


def test_it_is_a_program_of_its_own() -> None:
    """Without a package, an environment or a working directory; the exit code is all that it says."""
    with subprocess.Popen(["sleep", "300"], env={"B": "secret"}) as child:
        done = subprocess.run(
            [sys.executable, "-I", "-S", mark_probe.__file__, str(child.pid), "A", "B"],
            env={},
            cwd="/",
            capture_output=True,
        )
        child.kill()

    assert (done.returncode, done.stdout, done.stderr) == (mark_probe.FIRST + 1, b"", b"")
