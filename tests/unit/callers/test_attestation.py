"""What is said of how well callers are seen."""

import os
import sys
from pathlib import Path

import pytest

from credward.callers import attestation, linux
from credward.callers.attestation import attestation_report
from credward.callers.caller import Caller, Executable

OWN = os.geteuid()
OTHER = OWN + 1000


def caller(uid: int = OWN, **words: object) -> Caller:
    seen = {"handle": "peerpidfd", "executable": Executable(path="/usr/bin/credward"), **words}
    return Caller(uid=uid, gid=uid, pid=5, **seen)  # type: ignore[arg-type]


def report(asking: Caller, *served: int) -> str:
    return attestation_report(asking, own_uid=OWN, served_uids=served)


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attestation, "_may_look_at_others", lambda: False)


def test_one_of_ours_is_seen_in_full() -> None:
    """Or the machine is old, or hides processes: then that is said."""
    if sys.platform != "linux":
        pytest.skip("reads /proc")
    assert report(caller()) == "full" or report(caller()).startswith("degraded (")


@pytest.mark.usefixtures("unprivileged")
def test_s7_what_other_users_run_cannot_be_read() -> None:
    """S-7: neither to them nor about them is it said that all is well."""
    to_them = report(caller(OTHER, executable=None))
    about_them = report(caller(), OTHER, OTHER + 1)

    assert f"programs of uid {OTHER} cannot be read, and no rule that names a program" in to_them
    assert f"programs of uid {OTHER}, {OTHER + 1} cannot be read" in about_them
    assert report(caller(), OWN) == report(caller())


def test_s7_with_the_capability_they_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """S-7: CAP_SYS_PTRACE is the one that counts."""
    monkeypatch.setattr(attestation, "_may_look_at_others", lambda: True)

    assert report(caller(OTHER)) == report(caller())


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_capability_is_the_one_that_the_kernel_names() -> None:
    """Bit 19 of CapEff, as root has it and others have not."""
    (line,) = [
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("CapEff:")
    ]

    assert attestation._may_look_at_others() is bool(int(line.split()[1], 16) & 0x80000)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_one_whose_program_is_not_seen_hears_why() -> None:
    """It will be denied what only attested callers may."""
    if report(caller()) != "full":
        pytest.skip("this machine sees nobody in full")

    assert "the program that asked for this cannot be seen" in report(caller(executable=None))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_s4_a_daemon_that_can_prove_no_path_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """S-4: in a chroot without a mount of its own, say."""
    monkeypatch.setattr(linux, "executable", lambda *_: None)

    assert "not even this daemon's own" in report(caller())


def test_s14_a_system_that_attests_nothing_says_so() -> None:
    """S-14: for everybody."""
    assert report(caller(attestable=False)).startswith("degraded (this system attests no program")
