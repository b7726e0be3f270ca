"""Keys that were taken out of files: what is noted, and every state that a file may be in later."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from credward.cli.setup.taken_out import TakenOut, load, put_line_back, take_out
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
    take_out("k", taken, AFTER, stamp="20260101-000000")
    return link


def test_it_goes_back_exactly(rc: Path, home: Path) -> None:
    """With the mode, through the link; the backup says the same by then, and goes."""
    (taken,) = load().values()
    noted = (home / "state/credward/taken-out.json").read_text()
    backup = Path(taken.backup or "")
    assert (rc.read_text(), backup.read_text()) == (AFTER, BEFORE)
    said = put_line_back(taken, KEY, although_changed=False)

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
    (taken,) = load().values()
    rc.write_text(now)
    with pytest.raises(BrokerError, match="add --although-changed") as refused:
        put_line_back(taken, KEY, although_changed=False)
    assert rc.read_text() == now
    assert put_line_back(taken, KEY, although_changed=True) == said

    assert refused.value.kind is Kind.BAD_REQUEST
    assert rc.read_text() == then


def test_what_was_only_noted_is_there_already(rc: Path) -> None:
    """It is noted before the file is written, which may not happen any more."""
    (taken,) = load().values()
    rc.write_text(BEFORE)

    assert put_line_back(taken, KEY, although_changed=False) == "has its key already"
    assert rc.read_text() == BEFORE


def test_a_file_that_is_gone_is_made_for_its_owner_alone(rc: Path) -> None:
    """Never wider than 0600."""
    (taken,) = load().values()
    rc.resolve().unlink()
    put_line_back(taken, KEY, although_changed=True)

    assert rc.read_text() == f"{BEFORE.splitlines()[1]}\n"
    assert rc.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_written_is_not_noted(home: Path) -> None:
    """The key is still where it was."""
    folder = home / "folder"
    folder.mkdir()
    taken = TakenOut.of(folder, 1, "x=sk", "sk", "# x=…")
    with pytest.raises(BrokerError):
        take_out("k", taken, "# x=…", stamp="1")

    assert load() == {}
