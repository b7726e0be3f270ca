"""What is undone of our set-ups, and what is left then."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.cli.setup.carrying_out import left_lines
from credward.cli.setup.record import Change, Record, memory_of_set_ups
from credward.cli.setup.settings_file import apply, replace
from credward.cli.setup.undo import undo_all
from credward.errors import BrokerError


@pytest.fixture
def settings(home: Path) -> Path:
    """Two files that we set up, the second one with broken JSON in it since then."""
    records = {}
    for name in ("one", "two"):
        path = home / f"{name}.json"
        path.write_text("{}\n")
        after, changes = apply("{}\n", {("apiKeyHelper",): "exec /x/credward-helper demo"})
        replaced = replace(path, after, stamp="1")
        records[str(path)] = Record.of(None, "{}\n", after, changes, replaced)
    memory_of_set_ups().save(records)
    return home / "one.json"


def test_nothing_is_undone_if_one_file_cannot_be_read(settings: Path) -> None:
    """Else the first is undone, and the second stays."""
    was = settings.read_text()
    broken = settings.with_name("two.json")
    broken.write_text(broken.read_text() + ",")
    with pytest.raises(BrokerError, match=r"is not valid JSON.*nothing was changed"):
        undo_all()

    assert settings.read_text() == was
    assert len(memory_of_set_ups().load()) == 2


def test_what_stays_because_somebody_changed_the_file_is_named(settings: Path) -> None:
    """Its user may need the backup; that of the other file is gone."""
    settings.write_text(settings.read_text().replace("{", '{"theme": "dark", ', 1))
    lines = list(undo_all())

    backup = f"{settings}.credward-1.bak"
    assert lines == [
        f"{settings}: our settings are gone",
        f"an earlier state stays, delete it if you do not need it: {backup}",
        f"{settings.with_name('two.json')}: as it was before",
    ]
    assert list(settings.parent.glob("*.bak")) == [Path(backup)]


def test_a_backup_that_is_gone_is_not_named() -> None:
    """Somebody deleted it already."""
    change = Change(path=["apiKeyHelper"], after="x")

    assert list(left_lines(Record(changes=[change], backups=["/nowhere/x.bak"]))) == []
