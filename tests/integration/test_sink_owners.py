"""Whose a file at the place of a sink is: what somebody else put there, or changed, is left alone."""

from __future__ import annotations

import contextlib
import itertools
import json
import signal
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import pytest

from integration.chaos import CRASHING
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from integration.endpoints import keys
from integration.faults import SmallDisk, missing
from integration.minting import MintProgram
from integration.sinks import block, own_folder, sink, text
from waiting import until

PASSPHRASE = "correct horse battery\n"


def record(daemon: RunningDaemon) -> list[dict[str, object]]:
    """Return what the next daemon will know."""
    found: list[dict[str, object]] = json.loads(text(daemon.state_dir / "sinks.json") or "[]")
    return found


def is_fresh(daemon: RunningDaemon, path: Path) -> bool:
    """Return whether the file holds the newest token, and the next daemon will know it."""
    shown = sink(daemon, path)
    noted = [each["token_id"] for each in record(daemon)]
    return shown["state"] == "fresh" and noted == [daemon.status("given")["token_id"]]


def put(path: Path, content: str) -> None:
    """Put another file in its place, as an editor does."""
    other = path.with_name("mine")
    other.write_text(content)
    other.rename(path)


def said(daemon: RunningDaemon, path: Path) -> str:
    """Return why the sink at *path* is empty, once it says that the file is somebody else's."""

    def refusal() -> str:
        shown = sink(daemon, path)
        message: str = (shown["failure"] or {"message": ""})["message"]
        held = shown["token_id"] or shown["state"] not in {"empty", "locked"}
        return message if "somebody else" in message and not held else ""

    return until(refusal)


def refused(path: Path) -> str:
    """Return what is said of a file that is not ours."""
    return (
        f'"{path}" was written or changed by somebody else: move it away, '
        "then run credward daemon reload"
    )


def renew(daemon: RunningDaemon) -> None:
    """Have a newer token, unless the daemon dies of it."""
    with contextlib.suppress(OSError, HTTPException):
        daemon.request("POST", "/v1/credentials/given/refresh")


def settled(daemon: RunningDaemon) -> None:
    """Wait until a reload without a sink has done its work."""
    done = daemon.log().count("reloaded")
    daemon.send(signal.SIGHUP)
    until(lambda: daemon.log().count("reloaded") > done)
    until(lambda: record(daemon) == [])


# --- somebody's file in place of ours -----------------------------------------------------------


@pytest.mark.parametrize("edited", [False, True])
def test_a_file_that_somebody_replaced_or_edited_is_theirs(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path, edited: bool
) -> None:
    """Neither a renewal, a lock, a kill nor the end of the sink touches it; moved away, ours is back."""
    path = place / "file"
    without = permit_all(tmp_path) + program.block("given")
    daemon = start_daemon(without + block("given", path, "env"))
    until(lambda: is_fresh(daemon, path))
    mine = text(path) + "MORE=mine\n" if edited else "my own file"
    if edited:
        path.write_text(mine)
    else:
        put(path, mine)
    renew(daemon)

    assert said(daemon, path) == refused(path)
    assert refused(path) in cli(daemon, "status").stdout
    assert text(path) == mine
    daemon.kill9()
    daemon.start()
    assert said(daemon, path) == refused(path)
    assert cli(daemon, "lock", "--passphrase-stdin", given=PASSPHRASE).returncode == 0
    assert said(daemon, path) == refused(path)
    assert cli(daemon, "unlock", "--passphrase-stdin", given=PASSPHRASE).returncode == 0
    assert said(daemon, path) == refused(path)
    path.rename(place / "moved")
    daemon.send(signal.SIGHUP)
    until(lambda: is_fresh(daemon, path))
    put(path, mine)
    daemon.write_config(without)
    settled(daemon)
    assert text(path) == mine
    assert {each.name for each in place.iterdir()} == {"file", "moved"}


def test_a_lock_finds_out_too_and_what_is_put_back_is_ours_again(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    path = place / "file"
    daemon = start_daemon(permit_all(tmp_path) + program.block("given") + block("given", path))
    until(lambda: is_fresh(daemon, path))
    ours = text(path)
    put(path, "mine")
    assert cli(daemon, "lock", "--passphrase-stdin", given=PASSPHRASE).returncode == 0
    assert said(daemon, path) == refused(path)
    assert text(path) == "mine"
    put(path, ours)
    daemon.send(signal.SIGHUP)
    until(lambda: not path.exists())
    until(lambda: record(daemon) == [])
    assert "somebody" not in str(sink(daemon, path)["failure"])


def test_long_lived_keys_of_somebody_stay_in_our_profile(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """The profile has our name, but not our keys."""
    path = place / "credentials"
    config = keys(program)
    daemon = start_daemon(config + block("given", path, "aws-credentials"))
    until(lambda: is_fresh(daemon, path))
    mine = "[given]\naws_access_key_id = AKIAUSER\naws_secret_access_key = long-lived\n"
    path.write_text(mine)
    renew(daemon)
    assert said(daemon, path) == (
        f'profile "given" in "{path}" was written or changed by somebody else: rename it, '
        "or give the sink another one, then run credward daemon reload"
    )
    daemon.kill9()
    daemon.start()
    said(daemon, path)
    daemon.write_config(config)
    settled(daemon)
    assert text(path) == mine


def test_a_setting_that_somebody_added_to_our_profile_stays_through_lock_and_renewal(
    start_daemon: DaemonFactory, program: MintProgram, place: Path, tmp_path: Path
) -> None:
    """Only changed keys make the profile theirs."""
    path = place / "credentials"
    without = permit_all(tmp_path) + keys(program)
    daemon = start_daemon(without + block("given", path, "aws-credentials"))
    until(lambda: is_fresh(daemon, path))
    with path.open("a") as file:
        file.write("region = eu\n")
    renew(daemon)
    until(lambda: "AKIA2" in text(path) and is_fresh(daemon, path))
    assert cli(daemon, "lock", "--passphrase-stdin", given=PASSPHRASE).returncode == 0
    assert text(path) == "[given]\nregion = eu\n"
    daemon.kill9()
    daemon.start()
    assert cli(daemon, "unlock", "--passphrase-stdin", given=PASSPHRASE).returncode == 0
    until(lambda: "AKIA" in text(path) and is_fresh(daemon, path))
    assert text(path).endswith("region = eu\n")
    daemon.write_config(without)
    settled(daemon)
    assert text(path) == "[given]\nregion = eu\n"


def test_a_configuration_of_somebody_gets_no_token_of_ours(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """It may lead elsewhere: the token in the other file goes."""
    folder = place / "anthropic"
    daemon = start_daemon(
        program.block("given") + block("given", folder, "anthropic-profile", profile="agent")
    )
    config, secret = folder / "configs/agent.json", folder / "credentials/agent.json"
    until(lambda: is_fresh(daemon, folder))
    config.write_text('{"base_url": "https://elsewhere.example"}')
    daemon.send(signal.SIGHUP)
    assert said(daemon, folder).startswith(f'"{config}" was written or changed by somebody else')
    assert not secret.exists()
    assert "elsewhere" in text(config)
    config.unlink()
    daemon.send(signal.SIGHUP)
    until(lambda: secret.exists() and is_fresh(daemon, folder))


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_where_nothing_was_written_nothing_is_ours(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """A first write that failed makes the place no place of ours, also not for the next daemon."""
    with SmallDisk(tmp_path / "disk") as disk:
        path = own_folder(disk.path / "place") / "file"
        disk.fill()
        daemon = start_daemon(program.block("given") + block("given", path))
        failure = until(lambda: sink(daemon, path)["failure"])
        assert "make room on that disk" in failure["message"]
        until(lambda: record(daemon) == [])
        disk.free()
        put(path, "mine")
        daemon.send(signal.SIGHUP)
        assert said(daemon, path) == refused(path)
        daemon.write_config(program.block("given"))
        settled(daemon)
        daemon.kill9()
        daemon.start()
        assert text(path) == "mine"


def test_the_record_tells_nothing_of_a_token(
    start_daemon: DaemonFactory, program: MintProgram, place: Path
) -> None:
    """The same token in two files has two marks."""
    one, two = place / "one", place / "two"
    daemon = start_daemon(program.block("given") + block("given", one) + block("given", two))
    until(lambda: text(one) and text(two))
    entries = until(
        lambda: (found := record(daemon)) and all(each["token_id"] for each in found) and found
    )

    marks = [mark for each in entries for mark in each["marks"]]  # type: ignore[attr-defined]
    assert len(marks) == len(set(marks)) == 2
    assert "opaque" not in json.dumps(entries)


# --- kill -9 ------------------------------------------------------------------------------------


Dies = Callable[[int, Callable[[], object], Callable[[], bool]], bool]


@pytest.fixture
def mortal(
    start_daemon: DaemonFactory, tmp_path: Path
) -> Callable[[str], tuple[RunningDaemon, Dies]]:
    """Return what makes a daemon that can die at a chosen call by which its sinks change the disk."""
    armed = tmp_path / "armed"

    def make(config: str) -> tuple[RunningDaemon, Dies]:
        daemon = start_daemon.prepare(config)
        daemon.program = (str(CRASHING), str(armed))

        def dies(step: int, deed: Callable[[], object], done: Callable[[], bool]) -> bool:
            """Have it die at *step* of *deed*; return False if it is *done* before."""
            (tmp_path / "arming").write_text(f"{step} sinks")
            (tmp_path / "arming").rename(armed)
            deed()
            until(
                lambda: (daemon.process is not None and daemon.process.poll() is not None) or done()
            )
            armed.unlink()
            return not daemon.running

        return daemon, dies

    return make


def done_with(daemon: RunningDaemon, ready: Callable[[], bool]) -> bool:
    """Return whether *ready*, False while the daemon starts or dies."""
    try:
        return ready()
    except (OSError, HTTPException):
        return False


@pytest.mark.slow
@pytest.mark.parametrize("form", ["json", "aws-credentials"])
def test_killed_at_any_step_of_a_rewrite_the_file_is_ours(
    mortal: Callable[[str], tuple[RunningDaemon, Dies]],
    program: MintProgram,
    place: Path,
    form: str,
) -> None:
    """Whichever of the two it is, the next daemon goes on with it."""
    path = place / "file"
    config = keys(program) if form == "aws-credentials" else program.block("given")
    daemon, dies = mortal(config + block("given", path, form))
    daemon.start()

    def rewritten() -> bool:
        return f"opaque-{program.mints}" in text(path) and is_fresh(daemon, path)

    seen = set()
    for step in itertools.count():
        until(rewritten)
        old = program.mints
        if not dies(step, lambda: renew(daemon), lambda: done_with(daemon, rewritten)):
            break
        seen.add(f"opaque-{old}" in text(path))
        assert "opaque-" in text(path)
        program.set(exit=3)
        daemon.start()
        # Without a newer token it is looked at, and found to be ours.
        until(lambda: sink(daemon, path)["failure"])
        assert "somebody" not in sink(daemon, path)["failure"]["message"]
        program.set(exit=None)
    assert step > 10
    assert seen == {True, False}
    assert [each.name for each in place.iterdir()] == ["file"]


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [False, True])
def test_killed_at_any_step_of_the_first_write_only_our_file_goes(
    mortal: Callable[[str], tuple[RunningDaemon, Dies]],
    program: MintProgram,
    place: Path,
    replaced: bool,
) -> None:
    """The sink is gone at the next start: so is what we wrote, and what somebody wrote is not."""
    path = place / "file"
    daemon, dies = mortal(program.block("given"))
    written = set()
    for step in itertools.count():
        daemon.write_config(program.block("given") + block("given", path))
        if not dies(step, daemon.spawn, lambda: done_with(daemon, lambda: is_fresh(daemon, path))):
            break
        written.add(path.exists())
        if replaced:
            put(path, "mine")
        daemon.write_config(program.block("given"))
        daemon.start()
        until(lambda: record(daemon) == [])
        assert [each.name for each in place.iterdir()] == (["file"] if replaced else [])
        if replaced:
            assert text(path) == "mine"
            path.unlink()
        daemon.kill9()
    assert step > 10
    assert written == {True, False}


@pytest.mark.slow
def test_killed_at_any_step_of_a_removal_the_file_goes(
    mortal: Callable[[str], tuple[RunningDaemon, Dies]], program: MintProgram, place: Path
) -> None:
    path = place / "file"
    without = program.block("given")
    daemon, dies = mortal(without)
    daemon.start()
    for step in itertools.count():
        daemon.write_config(without + block("given", path))
        daemon.send(signal.SIGHUP)
        until(lambda: done_with(daemon, lambda: is_fresh(daemon, path)))
        daemon.write_config(without)
        if not dies(step, lambda: daemon.send(signal.SIGHUP), lambda: record(daemon) == []):
            break
        daemon.start()
        until(lambda: record(daemon) == [])
        assert list(place.iterdir()) == []
    assert step > 5
