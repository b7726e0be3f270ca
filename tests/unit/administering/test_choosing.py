"""Choices are kept across starts, by owners only, and nothing is lost on an error."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from credward import wire
from credward.administering.choosing import ChoiceFile
from credward.errors import Kind
from credward.issuing.choices import Choice, Choices, chooser
from unit.administering.services import OWNER, PERSON, Services, refusal
from unit.grants.rig import GRANT


def read_choices(path: Path) -> Choices:
    return ChoiceFile(path=path, put_in_force=lambda _: None).read()


def file_of(services: Services) -> Path:
    return services.audit.path.with_name("choices.json")


async def test_a_choice_counts_at_once_and_at_the_next_start(services: Services) -> None:
    """It is in force and in the file; forgetting it undoes both."""
    choosing = services.asked.manage.choosing
    assert choosing.choices(PERSON).active is None
    change = wire.ChoiceChange(credential=GRANT, agent="claude")
    told = await choosing.choose(PERSON, wire.ChoiceChange(credential=GRANT))
    both = await choosing.choose(PERSON, change)

    assert (told.active, told.because) == (GRANT, "chosen for everything by credward use")
    assert [each.agent for each in both.choices] == [None, "claude"]
    assert read_choices(file_of(services)) == services.active.choices
    assert file_of(services).stat().st_mode & 0o077 == 0
    await choosing.choose(PERSON, wire.ChoiceChange())
    (kept,) = read_choices(file_of(services)).made
    assert (kept.credential, kept.folder, kept.agent) == (GRANT, None, "claude")
    seen = await services.asked.status.statuses(PERSON)
    assert (seen.active, seen.active_because) == (None, "")


@pytest.mark.parametrize(
    ("change", "kind", "text"),
    [
        (wire.ChoiceChange(credential="gatway"), Kind.UNKNOWN_CREDENTIAL, 'perhaps "gateway"'),
        (wire.ChoiceChange(credential=GRANT, agent="claud"), Kind.BAD_REQUEST, 'perhaps "claude"'),
        (wire.ChoiceChange(credential=GRANT, folder="src"), Kind.BAD_REQUEST, "absolute"),
        (wire.ChoiceChange(credential=GRANT, folder="/\ufffd"), Kind.BAD_REQUEST, "not UTF-8"),
    ],
)
async def test_a_wrong_choice_changes_nothing(
    services: Services, change: wire.ChoiceChange, kind: Kind, text: str
) -> None:
    """The one before stays."""
    choosing = services.asked.manage.choosing
    await choosing.choose(PERSON, wire.ChoiceChange(credential=GRANT))

    assert text in await refusal(choosing.choose(PERSON, change), kind)
    assert [each.credential for each in choosing.choices(PERSON).choices] == [GRANT]


async def test_a_choice_that_cannot_be_written_does_not_count(services: Services) -> None:
    """Else it would be gone after a restart."""
    file_of(services).mkdir()
    choosing = services.asked.manage.choosing
    change = wire.ChoiceChange(credential=GRANT)

    assert "nothing was changed" in await refusal(
        choosing.choose(PERSON, change), Kind.FIX_CONFIGURATION
    )
    assert choosing.choices(PERSON).active is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        b'[{"credential": 1}]',
        b'[{"x": "y"}]',
        b'[{"credential": "x", "y": ' + b"[" * 100_000,
        msgspec.json.encode([{"credential": "x", "folder": f"/{each}"} for each in range(257)]),
    ],
    ids=["nothing", "object", "bytes", "number", "no name", "deep", "too many"],
)
def test_a_damaged_file_holds_no_choice_and_says_so(tmp_path: Path, content: bytes) -> None:
    """The daemon starts; status shows the warning."""
    path = tmp_path / "choices.json"
    path.write_bytes(content)
    found = read_choices(path)

    assert found.made == ()
    assert "run credward use NAME again" in found.problem
    assert read_choices(tmp_path / "none.json") == Choices()


async def test_there_is_an_end_to_how_many(services: Services) -> None:
    """One more is refused, another instead of one is not; those of others are not counted."""
    mine = chooser(OWNER.uid, os.geteuid())
    made = tuple(
        Choice(credential=GRANT, folder=f"/{number}", uid=uid)
        for number in range(256)
        for uid in (mine, 77)
    )
    services.choose(Choices(made=made))
    choosing = services.asked.manage.choosing

    assert "--clear" in await refusal(
        choosing.choose(PERSON, wire.ChoiceChange(credential=GRANT)), Kind.BAD_REQUEST
    )
    await choosing.choose(PERSON, wire.ChoiceChange(credential="second", folder="/7"))

    assert len(services.active.choices.of(77).made) == 256
    assert read_choices(file_of(services)) == services.active.choices
