"""The world as providers see it."""

from __future__ import annotations

import sys

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.io import Machine, WorkerIo
from fakes.clock import FakeClock


@pytest.fixture
def clock():
    """Return a clock that starts an hour away from the daemon's."""
    return FakeClock(now=3600.0)


@pytest.fixture
def io(clock, tmp_path):
    """Return the world with a home and a short search path."""
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C"}
    return WorkerIo(Machine(clock=clock, now=1000.0, environ=environ), credential="gateway")


@pytest.fixture
def program(tmp_path):
    """Return a maker of programs."""

    def make(body, *, name="mint", mode=0o700, first="#!/bin/sh"):
        path = tmp_path / name
        path.write_text(f"{first}\n{body}\n")
        path.chmod(mode)
        return str(path)

    return make


def test_time_is_the_daemons_and_goes_on(io, clock):
    """Whatever this machine's wall clock says meanwhile."""
    assert io.now() == 1000.0
    clock.advance(5)
    clock.time += 86400

    assert io.now() == 1005.0


def test_a_warning_is_kept(io):
    """For the one mint that this world lasts."""
    assert io.warning is None
    io.warn("rotate it")

    assert io.warning == "rotate it"


@pytest.mark.parametrize("name", ["mint", "~/mint", "{0}/mint"])
def test_a_program_is_found(io, program, tmp_path, name):
    """By name on the search path, below home, by full path; it runs in no particular directory."""
    program('echo "$1 $EXTRA $LANG $PWD"')

    assert not io.reached
    result = io.run_command([name.format(tmp_path), "a b"], env={"EXTRA": "x"}, timeout=10)
    assert io.reached

    assert result.output == b"a b x C /\n"


def test_settings_may_change_the_search_path(io, program, tmp_path):
    """For this one program."""
    (tmp_path / "elsewhere").mkdir()
    program("echo t", name="elsewhere/other")

    result = io.run_command(["other"], env={"PATH": f"{tmp_path}/elsewhere:/bin"}, timeout=10)

    assert result.output == b"t\n"


@pytest.mark.parametrize(
    ("make", "command", "complaint"),
    [
        ({}, "nosuch", '"nosuch" is not in .*: write its full path in the configuration'),
        ({}, "/nosuch/program", "does not exist: correct command"),
        ({"mode": 0o600}, "~/mint", "is not an executable file: run chmod \\+x"),
        ({}, "~", "is not in|is not an executable"),
        ({"first": "#!/nosuch/interpreter"}, "mint", "cannot be started .No such file"),
        ({"first": "\x7fELF"}, "mint", "cannot be started .Exec format error"),
    ],
)
def test_what_cannot_run_is_a_configuration_error(io, program, make, command, complaint):
    """Said at once, with what to do; nothing was asked of anybody."""
    program("echo t", **make)

    with pytest.raises(BrokerError, match=complaint) as caught:
        io.run_command([command], timeout=10)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert not io.reached
    assert caught.value.message.startswith('"gateway" got no token, program "')


def test_a_directory_is_no_program(io, tmp_path):
    """Though its x bit is set."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(BrokerError, match="is not an executable file"):
        io.run_command([str(tmp_path / "folder")], timeout=10)


def test_t18_a_hung_program_is_timed_out(tmp_path, program):
    """By the clock that counts a suspended machine's time too."""
    clock = FakeClock()
    io = WorkerIo(
        Machine(clock=clock, now=0.0, environ={"PATH": "/bin:/usr/bin"}), credential="gateway"
    )
    path = program("sleep 60")
    # Time stands still but for the look at it, so that nothing is waited for.
    clock.elapsed = iter([0.0, 0.0, 31.0, 31.0]).__next__

    io._started = 0.0
    with pytest.raises(BrokerError, match=r"took longer than 30 s and was killed") as caught:
        io.run_command([path], timeout=30)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.TIMED_OUT, "maybe")


def test_t6_a_flood_is_refused(io):
    """64 KiB is the longest that anyone reads."""
    assert len(io.run_command(["head", "-c", "65536", "/dev/zero"], timeout=10).output) == 65536
    with pytest.raises(BrokerError, match="printed more than 64 KiB") as caught:
        io.run_command(["head", "-c", "65537", "/dev/zero"], timeout=10)

    assert caught.value.kind is Kind.PROVIDER_REFUSED


def test_h3_messages_name_the_program_and_no_argument(io):
    """Arguments may be secret; so may what was printed."""
    secret = canary("argument")
    for command in (["nosuch", secret], ["/bin/sh", "-c", f"yes {secret}"]):
        with pytest.raises(BrokerError) as caught:
            io.run_command(command, timeout=10)
        assert MARK not in caught.value.message + caught.value.failure.hint


@pytest.mark.skipif(sys.platform != "linux", reason="/proc")
def test_h5_a_program_inherits_no_descriptors(io):
    """Only its three pipes."""
    with open("/dev/null") as null:
        import os

        os.set_inheritable(null.fileno(), True)
        shown = io.run_command(["/bin/sh", "-c", "echo /proc/self/fd/*"], timeout=10).output

    numbers = {int(each.rpartition("/")[2]) for each in shown.decode().split()}
    # The shell has one open on the directory while it lists it.
    assert len(numbers) <= 4
    assert {0, 1, 2} <= numbers
