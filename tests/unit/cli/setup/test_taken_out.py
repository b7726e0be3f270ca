"""Keys that were taken out of files: what is noted, and every state that a file may be in later."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from credward.cli.setup.taken_out import (
    TakenOut,
    change_since,
    forget,
    load,
    put_line_back,
    take_out,
)
from credward.errors import BrokerError, Kind
from credward.tokens import Secret

KEY = Secret("sk-ant-0123456789")
BEFORE = "a\nexport K='sk-ant-0123456789' # sk-ant-0123456789\nb\n"
AFTER = "a\n# export K='…' # …\nb\n"


@pytest.fixture
def rc(home: Path) -> Path:
    """A shell file that a dotfile manager links to, with its key taken out."""
    real = home / "dotfiles/rc"
    real.parent.mkdir()
    real.write_text(BEFORE)
    real.chmod(0o640)
    link = home / ".rc"
    link.symlink_to(real)
    line = BEFORE.split("\n")[1]
    taken = TakenOut.of(link, 2, line, KEY.reveal(), "# export K='…' # …")
    take_out("k", taken, KEY, stamp="20260101-000000")
    assert link.read_text() == AFTER
    return link


def test_it_goes_back_exactly(rc: Path, home: Path) -> None:
    """With the mode, through the link; the backup says the same by then, and goes."""
    (taken,) = load().values()
    noted = (home / "state/credward/taken-out.json").read_text()
    backup = Path(taken.backup or "")
    assert (rc.read_text(), backup.read_text()) == (AFTER, BEFORE)
    said = put_line_back("k", load()["k"], KEY, although_changed=False)

    assert said == "is as it was before"
    assert rc.read_text() == BEFORE
    assert rc.is_symlink()
    assert rc.stat().st_mode & 0o777 == 0o640
    assert not backup.exists()
    assert KEY.reveal() not in noted
    assert json.loads(noted)["k"]["number"] == 2


@pytest.mark.parametrize(
    ("now", "then", "said"),
    [
        (f"new\n{AFTER}", f"new\n{BEFORE}", "has its key again, in line 3"),
        ("other\n", f"other\n{BEFORE.splitlines()[1]}\n", "has its key again, in line 2"),
        ("other", f"other\n{BEFORE.splitlines()[1]}\n", "has its key again, in line 2"),
    ],
    ids=["moved", "gone", "gone, without a last line end"],
)
def test_what_others_wrote_since_stays(rc: Path, now: str, then: str, said: str) -> None:
    """And it is touched only with a yes for that."""
    rc.write_text(now)
    with pytest.raises(BrokerError, match="add --although-changed") as refused:
        put_line_back("k", load()["k"], KEY, although_changed=False)
    assert rc.read_text() == now
    assert put_line_back("k", load()["k"], KEY, although_changed=True) == said

    assert refused.value.kind is Kind.BAD_REQUEST
    assert rc.read_text() == then


def test_what_was_only_noted_is_there_already(rc: Path) -> None:
    """It is noted before the file is written, which may not happen any more."""
    rc.write_text(BEFORE)

    assert put_line_back("k", load()["k"], KEY, although_changed=False) == "has its key already"
    assert rc.read_text() == BEFORE


def test_a_file_that_is_gone_is_made_for_its_owner_alone(rc: Path) -> None:
    """Never wider than 0600."""
    rc.resolve().unlink()
    put_line_back("k", load()["k"], KEY, although_changed=True)

    assert rc.read_text() == f"{BEFORE.splitlines()[1]}\n"
    assert rc.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_is_not_noted(home: Path) -> None:
    """The key is still where it was."""
    # There is no room for the name of its backup.
    rc = home / ("r" * 250)
    rc.write_text("x=sk\n")
    taken = TakenOut.of(rc, 1, "x=sk", "sk", "# x=…")
    with pytest.raises(BrokerError, match="cannot be written"):
        take_out("k", taken, Secret("sk"), stamp="1")

    assert load() == {}
    assert rc.read_text() == "x=sk\n"


def test_a_line_that_changed_while_the_user_was_asked_stays(home: Path) -> None:
    """What an editor saved meanwhile is not overwritten."""
    rc = home / "rc"
    rc.write_text("new\nx=sk\n")
    taken = TakenOut.of(rc, 1, "x=sk", "sk", "# x=…")
    with pytest.raises(BrokerError, match="was changed meanwhile"):
        take_out("k", taken, Secret("sk"), stamp="1")

    assert load() == {}
    assert rc.read_text() == "new\nx=sk\n"


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")], ids=["oldest first", "newest first"])
def test_two_keys_of_one_file_go_back_in_any_order(home: Path, order: tuple[str, str]) -> None:
    """Our own edits are no change by somebody else; no backup with a key in it stays."""
    rc = home / "rc"
    rc.write_text("a=sk-a\nb=sk-b\n")
    for number, name in enumerate(("a", "b"), 1):
        taken = TakenOut.of(rc, number, f"{name}=sk-{name}", f"sk-{name}", f"# {name}=…")
        take_out(name, taken, Secret(f"sk-{name}"), stamp=name)
    assert rc.read_text() == "# a=…\n# b=…\n"
    said = []
    for name in order:
        said.append(put_line_back(name, load()[name], Secret(f"sk-{name}"), although_changed=False))
        forget(name)

    line = 1 if order[0] == "a" else 2
    assert said == [f"has its key again, in line {line}", "is as it was before"]
    assert rc.read_text() == "a=sk-a\nb=sk-b\n"
    assert list(home.glob("rc.*")) == []


def test_what_somebody_wrote_between_two_of_our_edits_counts(home: Path) -> None:
    """The key that went out before it goes back only with a yes, the other one without."""
    rc = home / "rc"
    rc.write_text("a=sk-a\nb=sk-b\n")
    for number, name in enumerate(("a", "b"), 1):
        taken = TakenOut.of(rc, number, f"{name}=sk-{name}", f"sk-{name}", f"# {name}=…")
        take_out(name, taken, Secret(f"sk-{name}"), stamp=name)
        if name == "a":
            rc.write_text(rc.read_text() + "theirs\n")
    put_line_back("b", load()["b"], Secret("sk-b"), although_changed=False)
    with pytest.raises(BrokerError, match="add --although-changed"):
        put_line_back("a", load()["a"], Secret("sk-a"), although_changed=False)

    assert rc.read_text() == "# a=…\nb=sk-b\ntheirs\n"


def _take_out_many(home: Path, start: Any, name: str) -> None:
    start.wait()
    for number in range(20):
        rc = home / f"{name}-{number}"
        rc.write_text("x=sk\n")
        taken = TakenOut.of(rc, 1, "x=sk", "sk", "# x=…")
        take_out(rc.name, taken, Secret("sk"), stamp="1")


def test_two_commands_at_once_lose_no_note(home: Path) -> None:
    """Each waits for the other one."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(2)
    both = [context.Process(target=_take_out_many, args=(home, start, name)) for name in "ab"]
    for each in both:
        each.start()
    for each in both:
        each.join()

    assert [each.exitcode for each in both] == [0, 0]
    assert len(load()) == 40


def test_a_note_that_cannot_be_written_says_nothing_untrue(rc: Path, home: Path) -> None:
    """The key is back by then, so not that no file was changed."""
    notes = home / "state/credward/taken-out.json"
    put_line_back("k", load()["k"], KEY, although_changed=False)
    text = notes.read_text()
    notes.with_suffix(".lock").unlink()
    notes.with_suffix(".lock").mkdir()
    with pytest.raises(BrokerError) as refused:
        forget("k")

    assert rc.read_text() == BEFORE
    assert "no file was changed" not in refused.value.message
    assert refused.value.message.endswith("correct its permissions")
    assert notes.read_text() == text


def forge(home: Path, **more: object) -> None:
    """Change our notes as any process of the user can."""
    notes = home / "state/credward/taken-out.json"
    records = json.loads(notes.read_text())
    records["k"].update(more)
    notes.write_text(json.dumps(records))


@pytest.mark.parametrize("text", [f"new\n{AFTER}", "short"], ids=["another line", "no line"])
def test_our_file_does_not_say_that_nothing_changed(rc: Path, home: Path, text: str) -> None:
    """The line must be the one that we left there."""
    taken = load()["k"]
    rc.write_text(text)
    forge(home, written=hashlib.sha256(text.encode()).hexdigest())
    with pytest.raises(BrokerError, match="changed since its key was taken out"):
        put_line_back("k", taken, KEY, although_changed=False)

    assert rc.read_text() == text


@pytest.mark.parametrize(
    "name",
    ["precious", "dotfiles/precious", "rc.credward-1.bak", "dotfiles/rc"],
    ids=["elsewhere", "beside it", "a name of ours elsewhere", "the file itself"],
)
def test_our_file_does_not_say_what_is_deleted(rc: Path, home: Path, name: str) -> None:
    """Only what is named as our backups beside the file are."""
    taken, named = load()["k"], home / name
    if not named.exists():
        named.write_text("precious")
    forge(home, backup=str(named))

    assert put_line_back("k", taken, KEY, although_changed=False) == "is as it was before"
    assert named.read_text() in {"precious", BEFORE}


def test_another_file_behind_the_name_needs_a_yes(rc: Path, home: Path) -> None:
    """It has the same text, and a link leads there."""
    other = home / "y"
    other.write_text(AFTER)
    rc.unlink()
    rc.symlink_to(other)
    with pytest.raises(BrokerError, match=f'"{rc}" leads to {other} since its key was taken out'):
        put_line_back("k", load()["k"], KEY, although_changed=False)
    assert other.read_text() == AFTER
    said = put_line_back("k", load()["k"], KEY, although_changed=True)

    assert said == f"has its key again, in line 2 (leads to {other} since)"
    assert other.read_text() == BEFORE


def test_a_file_that_more_users_can_read_needs_a_yes(rc: Path) -> None:
    """Fewer are fine."""
    rc.chmod(0o644)
    with pytest.raises(BrokerError, match="can be opened by more users since its key was taken"):
        put_line_back("k", load()["k"], KEY, although_changed=False)
    assert change_since("k", load()["k"]) == "can be opened by more users"
    assert rc.read_text() == AFTER
    rc.chmod(0o600)

    assert put_line_back("k", load()["k"], KEY, although_changed=False) == "is as it was before"
    assert rc.stat().st_mode & 0o777 == 0o600


def test_a_file_of_another_user_needs_a_yes(rc: Path) -> None:
    """Who could read whatever is in it."""
    if os.geteuid() != 0:
        pytest.skip("only root gives files away")
    os.chown(rc, 12345, -1)
    with pytest.raises(BrokerError, match="belongs to another user since its key was taken out"):
        put_line_back("k", load()["k"], KEY, although_changed=False)

    assert rc.read_text() == AFTER


def test_what_a_killed_command_left_with_the_key_goes(rc: Path, home: Path) -> None:
    """Nobody was told of it; other files of such a name stay."""
    folder = home / "dotfiles"
    left, theirs, longer = (
        folder / f".rc-{name}" for name in ("ab0_cdef", "theirs00", "longer-000")
    )
    for each, text in ((left, BEFORE), (theirs, AFTER), (longer, BEFORE)):
        each.write_text(text)
    put_line_back("k", load()["k"], KEY, although_changed=False)

    assert sorted(folder.iterdir()) == [longer, theirs, folder / "rc"]
