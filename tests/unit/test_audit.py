"""The record of decisions."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from credward.audit import AuditEntry, AuditLog
from credward.callers.caller import Caller
from credward.errors import BrokerError, Kind

SOURCE = Path(__file__).parents[2] / "broker"


def entry(name: str = "gateway", **facts: str) -> AuditEntry:
    return AuditEntry.of(
        1.0,
        Caller(uid=1, gid=1, pid=2),
        action="Issue",
        credential=name,
        format="token",
        outcome="issued",
        **facts,
    )


def test_one_line_each_in_a_private_file_whatever_the_umask(tmp_path: Path) -> None:
    """S5 and S9 for the log: 0600 in 0700, appended."""
    before = os.umask(0)
    try:
        log = AuditLog(tmp_path / "state" / "audit.log", sync="always")
        log.record(entry())
        log.record(entry("a\nb"))
    finally:
        os.umask(before)

    lines = log.path.read_text().splitlines()
    assert [json.loads(line)["credential"] for line in lines] == ["gateway", "a\\nb"]
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.path.parent.stat().st_mode) == 0o700
    log.close()


def test_a8_there_is_no_field_for_a_secret() -> None:
    """A8: ids only, and names from outside are bounded."""
    assert set(AuditEntry.__struct_fields__) == {
        "time", "action", "credential", "format", "outcome", "caller", "kind", "rule",
        "token_id", "upstream_id", "request_id", "variables",
    }  # fmt: skip
    assert len(entry("x" * 500).credential) == 64


def test_s11_what_a_caller_makes_up_is_short_and_printable(tmp_path: Path) -> None:
    """S11: whatever it is; half a character is no reason to fail either."""
    log = AuditLog(tmp_path / "audit.log")
    log.record(entry("x\x1b[2J\ud800", token_id="y" * 60_000, upstream_id="é\n" * 200))
    (line,) = [json.loads(each) for each in log.path.read_text().splitlines()]
    log.close()

    assert line["credential"] == r"x\x1b[2J\ud800"
    assert line["token_id"] == "y" * 256
    assert len(line["upstream_id"]) == 256
    assert line["upstream_id"].startswith("é" + r"\n" + "é")


def test_a1_a_full_disk_is_an_error_that_denies(tmp_path: Path) -> None:
    """A1: what cannot be recorded is not released, and half a line is not left as a whole one."""
    log = AuditLog(tmp_path / "audit.log")
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, log._descriptor, inheritable=False)
    os.close(full)
    with pytest.raises(BrokerError) as caught:
        log.record(entry())
    log.close()

    assert caught.value.kind is Kind.DENIED
    assert "nothing is handed out" in caught.value.message


def test_a_limit_in_mid_line_is_an_error_too(tmp_path: Path) -> None:
    """The kernel may take a part of a line: that is no record."""
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from unit.test_audit import entry\nfrom credward.audit import AuditLog\n"
        "from credward.errors import BrokerError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "log = AuditLog(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try:\n    log.record(entry())\nexcept BrokerError as e:\n    sys.exit(e.kind.exit_code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "audit.log")],
        env={"PYTHONPATH": f"{SOURCE}:{SOURCE.parent / 'tests'}"},
        timeout=20,
    )

    assert done.returncode == Kind.DENIED.exit_code


def test_pages_hold_whole_lines(tmp_path: Path) -> None:
    """From a byte offset on, or the newest; a line in the making is left for later."""
    log = AuditLog(tmp_path / "audit.log")
    log.record(entry("first"))
    middle = log.path.stat().st_size
    log.record(entry("second"))
    with log.path.open("ab") as file:
        file.write(b'{"half":')

    newest = log.after(None)
    assert newest.lines.count(b"\n") == 2
    assert b"second" in log.after(str(middle)).lines
    assert b"first" not in log.after(str(middle)).lines
    with log.path.open("ab") as file:
        file.write(b"1}\n")
    assert log.after(str(newest.end)).lines == b'{"half":1}\n'
    assert log.after(str(log.path.stat().st_size)).lines == b""
    with pytest.raises(BrokerError):
        log.after("-1")


def test_a_rotated_file_is_opened_anew(tmp_path: Path) -> None:
    """After a reload lines go to the file of that name."""
    log = AuditLog(tmp_path / "audit.log")
    log.record(entry("old"))
    log.path.rename(tmp_path / "audit.log.1")
    log.reopen()
    log.record(entry("new"))

    assert b"new" in log.path.read_bytes()
    assert b"new" not in (tmp_path / "audit.log.1").read_bytes()


def test_a_file_that_is_removed_is_begun_anew_and_its_owner_told(tmp_path: Path) -> None:
    """Alone, with its folder, or replaced: each line is in the file of that name, until a reload."""
    log = AuditLog(tmp_path / "state" / "audit.log")
    removals = (
        log.path.unlink,
        lambda: shutil.rmtree(log.path.parent),
        lambda: (tmp_path / "other").rename(log.path),
    )
    for remove in removals:
        (tmp_path / "other").touch(0o600)
        log.record(entry("old"))
        assert log.failure() is None
        remove()
        log.record(entry("new"))

        assert [json.loads(each)["credential"] for each in log.path.open()] == ["new"]
        failure = log.failure()
        assert failure is not None
        assert "was removed while the daemon ran" in failure.message
        log.reopen()
    log.close()


def test_a_file_that_cannot_be_begun_anew_denies(tmp_path: Path) -> None:
    """As on a full disk; and it is written again once that is mended, with no restart."""
    log = AuditLog(tmp_path / "state" / "audit.log")
    shutil.rmtree(log.path.parent)
    log.path.parent.touch()
    with pytest.raises(BrokerError) as caught:
        log.record(entry())
    failure = log.failure()
    log.path.parent.unlink()
    log.record(entry("again"))
    log.close()

    assert caught.value.kind is Kind.DENIED
    assert failure is not None
    assert "nothing is handed out" in failure.message
    assert b"again" in log.path.read_bytes()


def test_a_file_that_was_moved_is_not_lost(tmp_path: Path) -> None:
    """A rotation without a reload: the next status opens the new one, and warns of nothing."""
    log = AuditLog(tmp_path / "audit.log")
    log.path.rename(tmp_path / "audit.log.1")

    assert log.failure() is None
    log.record(entry("new"))
    log.close()
    assert b"new" in log.path.read_bytes()


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    """Somebody else's file is not ours to append to."""
    (tmp_path / "audit.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BrokerError):
        AuditLog(tmp_path / "audit.log")

    assert not (tmp_path / "elsewhere").exists()
