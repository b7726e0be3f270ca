"""Disk full, read-only, forbidden, cut off or flipped: a clear word, no grant lost, tokens from memory (T10, S9)."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from integration.command_line import cli
from integration.daemon import DaemonFactory
from integration.faults import (
    cannot_write,
    missing,
    oauth_daemon,
    without_rights_of_root,
)
from integration.test_kills import workers
from marks import slow
from waiting import PATIENCE, until

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@pytest.fixture
def one(start_daemon: DaemonFactory):
    with oauth_daemon(start_daemon, "one") as found:
        yield found


def test_login_on_a_full_disk_says_what_to_do_and_works_once_there_is_room(one) -> None:
    """Nothing is there yet, not even a store: no half of one is left behind."""
    one.disk.fill()
    one.daemon.start()
    refused = one.log_in("one")
    one.disk.free()

    assert (refused.status, refused.kind) == (500, "internal")
    assert "cannot be written (No space left on device)" in refused.text
    assert "make room" in refused.text
    until(lambda: one.log_in("one").status == 200)
    assert one.daemon.get("one").status == 200


@pytest.mark.slow
def test_login_when_the_disk_has_become_full_is_kept_in_memory_and_saved_later(one) -> None:
    """The login works, its answer says that it is not durable, and it is once there is room."""
    one.daemon.start()
    assert one.log_in("one").json()["durable"]
    with one.disk.full():
        given = one.log_in("one")
        unsaved = one.grant("one")["unsaved"]
        warned = one.warnings

    assert given.status == 200
    assert given.json()["durable"] is False
    assert unsaved
    assert any("cannot be written" in each for each in warned)
    until(lambda: not one.grant("one")["unsaved"])
    one.daemon.kill9()
    one.daemon.start()
    assert one.daemon.get("one").status == 200
    assert one.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("logout", "one"), "logged out: one"),
        pytest.param(("logout", "--all"), "logged out: one", marks=pytest.mark.slow),
    ],
)
def test_a_logout_that_the_disk_does_not_take_is_said_and_kept_until_it_does(
    one, words: tuple[str, ...], said: str
) -> None:
    """Nothing is handed out from the first moment; a kill after there was room brings nothing back."""
    one.daemon.start()
    one.log_in("one")
    assert one.daemon.get("one").status == 200
    with one.disk.full():
        done = cli(one.daemon, *words)
        unsaved = one.grant("one")["unsaved"]
        refused = one.daemon.get("one")
    until(lambda: not one.grant("one")["unsaved"], 120)
    one.daemon.kill9()
    one.daemon.start()

    assert done.stdout.startswith(said), done.stderr
    assert done.stderr.startswith("still on disk, retrying")
    assert unsaved
    assert (refused.status, refused.kind) == (401, "login-required")
    assert one.daemon.get("one").kind == "login-required"
    assert cli(one.daemon, *words).stderr == ""


@pytest.mark.slow
def test_the_end_of_the_daemon_is_one_more_try_to_save(one) -> None:
    """Whoever made room need not wait for the next one, which comes after a minute at most."""
    one.daemon.start()
    one.log_in("one")
    with one.disk.full():
        kept = cli(one.daemon, "secret", "set", "key", given="sk-first")
        assert cli(one.daemon, "logout", "one").returncode == 0
        gone = cli(one.daemon, "secret", "rm", "other")
        # The tries after 1 s and 3 s are over then, and the next one is after 7 s.
        time.sleep(4)
        one.disk.free()
        one.daemon.stop()
    one.daemon.start()

    assert kept.stderr.startswith("only in memory")
    assert gone.returncode == 78
    assert one.daemon.get("one").kind == "login-required"
    assert cli(one.daemon, "secret", "list").stdout.split()[2] == "key"


def test_first_mint_on_a_full_disk_starts_no_exchange(one) -> None:
    """Without a journal the grant stays unused; with room it is minted, by itself."""
    one.daemon.start()
    one.log_in("one")
    for journal in one.journals:
        journal.unlink()
    with one.disk.full():
        failed = one.daemon.get("one")
        asked = one.server.paths()

    assert failed.status in {200, 500}
    if failed.status == 500:
        assert "journal cannot be written (No space left on device)" in failed.text
        assert "token" not in asked
    until(lambda: one.daemon.get("one").status == 200)
    assert not one.revoked


@pytest.mark.parametrize("how", ["full", *slow("read_only")])
def test_rotation_goes_on_in_the_journal_while_the_store_cannot_be_written(one, how: str) -> None:
    """Every mint gives a new token, status says unsaved; saved by itself when that is possible again."""
    one.daemon.start()
    one.log_in("one")
    first = one.daemon.get("one").text
    with getattr(one.disk, how)():
        answers = [one.refresh("one") for _ in range(4)]
        last = one.daemon.get("one")
        unsaved = one.grant("one")["unsaved"]
        warned = one.warnings
        generation = one.grant("one")["rotations"]

    assert [answer.status for answer in answers] == [200] * 4
    assert last.status == 200
    assert last.text != first
    assert unsaved
    assert generation == 5
    assert any("cannot be written" in each for each in warned)
    until(lambda: not one.grant("one")["unsaved"], 120)
    assert one.refresh("one").status == 200
    assert not one.revoked
    assert "failed unexpectedly" not in one.daemon.log()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["full", *slow("read_only")])
def test_a_daemon_killed_while_the_store_cannot_be_written_finds_the_grant_in_the_journal(
    one, how: str
) -> None:
    """No login; the next daemon goes on even while the disk is as bad as before."""
    one.daemon.start()
    one.log_in("one")
    one.daemon.get("one")
    with getattr(one.disk, how)():
        for _ in range(3):
            assert one.refresh("one").status == 200
        one.daemon.kill9()
        until(lambda: not workers_left(one))
        if how == "full":
            one.daemon.start()
            until(lambda: one.grant("one")["rotations"] == 4)
            assert one.daemon.get("one").status == 200
            assert one.grant("one")["rotations"] == 5
    if how == "read_only":
        one.daemon.start()
        until(lambda: one.grant("one")["rotations"] == 4)

    until(lambda: not one.grant("one")["unsaved"], 120)
    assert one.refresh("one").status == 200
    one.daemon.kill9()
    one.daemon.start()
    assert one.refresh("one").status == 200
    assert not one.revoked
    assert "taken over from its journal" in one.daemon.log()


def test_a_daemon_on_a_read_only_state_directory_says_so_and_ends(one) -> None:
    """It could keep no rotation: one line, the exit code of configuration."""
    one.daemon.start()
    one.log_in("one")
    one.daemon.stop()
    with one.disk.read_only():
        code = one.daemon.spawn().wait(PATIENCE)

    assert code == 78
    assert "Read-only file system" in one.daemon.log().splitlines()[-1]
    assert "Traceback" not in one.daemon.log()


def test_without_a_writable_journal_no_exchange_starts_and_the_valid_token_is_served(one) -> None:
    """The grant is not risked: the old token goes on, the failure has a name, and it heals by itself."""
    one.daemon.start()
    one.log_in("one")
    first = one.daemon.get("one").text
    (worker,) = workers(one.daemon)
    cannot_write(worker)
    exchanges = len(one.server.log)
    # Lending writes into the journal too, from the daemon: the worker alone cannot here.
    refused = one.refresh("one")
    served = one.daemon.get("one")
    failure = one.daemon.status("one")["failure"]
    cannot_write(worker, on=False)

    # Whoever asks for a new token by name is told why there is none; everybody else is served.
    assert refused.status == 500
    assert "its rotation journal cannot be written" in refused.text
    assert served.text == first
    assert failure["kind"] == "internal"
    assert "is not renewed, its rotation journal cannot be written" in failure["message"]
    assert "token" not in [each.path.rpartition("/")[2] for each in one.server.log[exchanges:]]
    until(lambda: one.refresh("one").status == 200 and one.daemon.get("one").text != first)
    assert not one.revoked


@pytest.mark.slow
def test_everything_unwritable_when_the_answer_comes(one) -> None:
    """The new grant lives in memory alone: its token is not handed out, the old one is; saved when that works."""
    one.daemon.start()
    one.log_in("one")
    first = one.daemon.get("one").text
    (worker,) = workers(one.daemon)

    def now(asked):
        cannot_write(worker)
        one.disk.fill()
        return one.server._serve(asked, "token")

    one.server.script.append(now)
    one.refresh("one")
    served = one.daemon.get("one")
    failure = one.daemon.status("one")["failure"]
    grant = one.grant("one")
    again = one.refresh("one")
    one.disk.free()

    assert served.text == first
    assert failure["kind"] == "internal"
    assert "its new grant cannot be written: make room" in failure["message"]
    assert grant["unsaved"]
    assert grant["rotations"] == 2
    assert again.status == 200
    until(lambda: not one.grant("one")["unsaved"], 120)
    until(lambda: one.refresh("one").status == 200 and one.daemon.get("one").text != first)
    one.daemon.kill9()
    one.daemon.start()
    assert one.refresh("one").status == 200
    assert not one.revoked


@pytest.mark.slow
def test_a_state_directory_that_may_not_be_written_any_more(one) -> None:
    """Its mode changed: memory goes on, the message names the file, and it heals by itself."""
    without_rights_of_root(one.daemon)
    one.daemon.start()
    one.log_in("one")
    first = one.daemon.get("one").text
    one.daemon.state_dir.chmod(0o500)
    (one.daemon.state_dir / "journals").chmod(0o500)
    answer = one.refresh("one")
    served = one.daemon.get("one")
    warned = one.warnings
    one.daemon.state_dir.chmod(0o700)
    (one.daemon.state_dir / "journals").chmod(0o700)

    assert answer.status == 200
    assert served.status == 200
    assert served.text != first
    assert any("cannot be written (Permission denied)" in each for each in warned)
    until(lambda: not one.grant("one")["unsaved"], 120)
    assert not one.revoked


@pytest.mark.slow
def test_journals_that_may_not_be_read_at_start(one) -> None:
    """Not the end of the daemon: it says which file, and does not mint on what may be used up."""
    without_rights_of_root(one.daemon)
    one.daemon.start()
    one.log_in("one")
    one.daemon.get("one")
    one.daemon.kill9()
    until(lambda: not workers_left(one))
    journals = one.journals
    for journal in journals:
        journal.chmod(0)
    one.daemon.start()
    refused = one.daemon.get("one")
    for journal in journals:
        journal.chmod(0o600)

    assert refused.kind == "internal"
    assert "cannot be read (Permission denied): run chmod 0600" in refused.text
    until(lambda: one.daemon.get("one").status == 200)
    assert not one.revoked


@pytest.mark.parametrize("how", ["cut", *slow("flip", "empty", "gone")])
@pytest.mark.parametrize("which", ["store.sealed", "store.sealed.last", "journal"])
def test_damaged_files_cost_no_login(one, how: str, which: str) -> None:
    """Any one file damaged while the daemon is down: reported, kept aside, and the grant is still there."""
    one.daemon.start()
    one.log_in("one")
    one.daemon.get("one")
    one.refresh("one")
    one.daemon.kill9()
    until(lambda: not workers_left(one))
    files = one.journals if which == "journal" else [one.daemon.state_dir / which]
    for file in files:
        damage(file, how)
    one.daemon.start()
    if (which, how) == ("store.sealed", "gone"):
        command = re.search(r"run mv (\S+) (\S+) to use that", one.daemon.get("one").text)
        Path(command[1]).rename(command[2])
        until(lambda: one.daemon.get("one").status == 200)
    answer = one.daemon.get("one")

    assert answer.status == 200
    assert not one.revoked
    if which == "store.sealed" and how != "gone":
        assert any("it was moved to" in each for each in one.warnings)
        assert list(one.daemon.state_dir.glob("store.sealed.corrupt-*"))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["cut", *slow("flip", "empty", "gone")])
def test_damaged_files_below_a_running_daemon_are_written_anew(one, how: str) -> None:
    """What is in memory counts: the next save replaces whatever lies there."""
    one.daemon.start()
    one.log_in("one")
    one.daemon.get("one")
    for name in ("store.sealed", "store.sealed.last"):
        damage(one.daemon.state_dir / name, how)
    for journal in one.journals:
        damage(journal, how)
    answers = [one.refresh("one").status for _ in range(3)]
    one.daemon.kill9()
    until(lambda: not workers_left(one))
    one.daemon.start()

    assert answers == [200] * 3
    assert one.daemon.get("one").status == 200
    assert not one.revoked


@pytest.mark.slow
def test_a_store_opened_to_others_is_refused_with_the_command(one) -> None:
    """Mode 0644 by somebody: asks are answered with what to type, and it goes on by itself afterwards."""
    one.daemon.start()
    one.log_in("one")
    one.daemon.kill9()
    (one.daemon.state_dir / "store.sealed").chmod(0o644)
    one.daemon.start()
    refused = one.daemon.get("one")
    (one.daemon.state_dir / "store.sealed").chmod(0o600)

    assert refused.kind == "fix-configuration"
    assert f"run chmod 0600 {one.daemon.state_dir}/store.sealed" in refused.text
    until(lambda: one.daemon.get("one").status == 200)


def damage(file, how: str) -> None:
    content = bytearray(file.read_bytes())
    match how:
        case "cut":
            file.write_bytes(content[: len(content) // 2])
        case "flip":
            content[min(len(content) // 2, 200)] ^= 0x40
            file.write_bytes(content)
        case "empty":
            file.write_bytes(b"")
        case _:
            file.unlink()


def workers_left(one) -> list[int]:
    """Workers of a killed daemon finish first."""
    return [
        int(each.name)
        for each in Path("/proc").iterdir()
        if each.name.isdigit() and holds(each, one.daemon.state_dir / "journals")
    ]


def holds(process, folder) -> bool:
    try:
        return any(str(folder) in str(each.readlink()) for each in (process / "fd").iterdir())
    except OSError:
        return False
