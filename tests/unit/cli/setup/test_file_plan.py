"""What would be done to one file, for one owner beside others."""

from pathlib import Path

import pytest

from credward.cli.setup.carrying_out import execute
from credward.cli.setup.file_plan import Wish, plan_undo, plan_wish
from credward.cli.setup.record import Owner, Record
from credward.errors import BrokerError

ONE, TWO = Owner(tool="one"), Owner(tool="two")
TEXT = "[default]\nregion = a\n\n# end"


def wish(file: Path, owner: Owner, **members: str) -> Wish:
    paths = {("default", name): value for name, value in members.items()}
    return Wish(target=file, kind="ini", owner=owner, members=paths)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "config"
    found.write_text(TEXT)
    return found


def do(planned: Wish, records: dict[str, Record]) -> None:
    execute(plan_wish(planned, records.get(str(planned.target))), records, stamp="x")


def test_owners_do_not_take_back_what_is_another_ones(file: Path) -> None:
    """A new run of the one forgets what it no longer wants, and only that."""
    records: dict[str, Record] = {}
    do(wish(file, ONE, x="1", region="b"), records)
    do(wish(file, TWO, y="2"), records)
    do(wish(file, ONE, z="3"), records)

    text = file.read_text()
    assert "region = a" in text
    assert "y = 2" in text
    assert "z = 3" in text
    assert "x" not in text


@pytest.mark.parametrize("order", [(ONE, TWO), (TWO, ONE)])
def test_the_last_undo_restores_every_byte(file: Path, order: tuple[Owner, Owner]) -> None:
    """The others before it take only theirs; no backup is left."""
    records: dict[str, Record] = {}
    do(wish(file, ONE, x="1", region="b"), records)
    do(wish(file, TWO, y="2", region="c"), records)
    do(wish(file, ONE, x="5"), records)
    for owner in order:
        plan = plan_undo(file, records[str(file)], lambda each, o=owner: each.owner.same(o))
        execute(plan, records)

    assert file.read_text() == TEXT
    assert records == {}
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_is_gone_has_nothing_to_undo(file: Path) -> None:
    """Whatever part of it was meant."""
    records: dict[str, Record] = {}
    do(wish(file, ONE, x="1"), records)
    do(wish(file, TWO, y="2"), records)
    file.unlink()
    plan = plan_undo(file, records[str(file)], lambda each: each.owner.same(ONE))

    assert not plan.changed
    assert plan.after is None


def test_a_diff_hides_their_secrets_and_shows_our_lines(file: Path) -> None:
    """What we write is never one, whatever its name."""
    file.write_text("[default]\naws_secret_access_key = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY\n")
    shown = plan_wish(wish(file, ONE, web_identity_token_file="/run/token"), None).diff()

    assert "wJalr" not in shown
    assert "+web_identity_token_file = /run/token\n" in shown


def test_a_file_of_another_format_is_refused(file: Path) -> None:
    """Before anything is changed."""
    file.write_text("nonsense")
    with pytest.raises(BrokerError, match="nothing was changed"):
        plan_wish(wish(file, ONE, x="1"), None)
