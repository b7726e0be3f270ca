"""What of the status fits into a window."""

from __future__ import annotations

import click
import pytest

from credward.cli.status_watch import frame
from credward.errors import Failure, Kind
from credward.text.tables import width_of
from credward.wire import CredentialStatus, GrantStatus, StatusList
from credward.wire import Failure as Failed


def listing(count: int) -> StatusList:
    """Return so many credentials that fail, each on a grant of its own."""
    return StatusList(
        now=1.0,
        pid=1,
        credentials=[
            CredentialStatus(
                name=f"name-{number}",
                grant=f"grant-{number}",
                state="expired",
                failure=Failed(kind="denied", message=f"why {number} " * 20, recovery="retry"),
            )
            for number in range(count)
        ],
        grants=[GrantStatus(name=f"grant-{number}", state="valid") for number in range(count)],
    )


@pytest.mark.parametrize("count", [0, 1, 3, 40])
@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 10), (20, 3), (1, 1)])
@pytest.mark.parametrize("in_detail", [False, True])
def test_a_frame_fits(count: int, size: tuple[int, int], in_detail: bool) -> None:
    """Whatever there is to say, and however small the window."""
    lost = (0.0, Failure.of(Kind.NOT_RUNNING, "no daemon: run credward daemon start"))
    for said in (None, lost):
        lines = frame(listing(count), said, 5.0, size, in_detail=in_detail)
        assert len(lines) <= size[1]
        if not in_detail:
            assert max(width_of(click.unstyle(line)) for line in lines) <= max(size[0], 7)


def test_many_credentials_leave_room_for_problems() -> None:
    """Both say how much is left out; the table of logins goes first."""
    lines = [
        click.unstyle(line) for line in frame(listing(40), None, 5.0, (80, 24), in_detail=False)
    ]

    assert len(lines) == 24
    assert not any("GRANT" in line for line in lines)
    assert [line for line in lines if line.startswith("…")] == [
        "… and 27 more: credward status",
        "… and 75 more: credward status",
    ]


def test_without_any_answer_only_the_reason_is_shown() -> None:
    """There was none yet."""
    lost = (0.0, Failure.of(Kind.NOT_RUNNING, "no daemon"))
    lines = frame(None, lost, 5.0, (80, 24), in_detail=False)

    assert len(lines) == 2
    assert "trying again: no daemon" in lines[1]
