"""Who reads the status as text, and the page for that person."""

from __future__ import annotations

import pytest

from credward import wire
from credward.doors.unix_api.status_page import Look, read_look, status_page
from credward.errors import BrokerError, Kind
from credward.text.viewer import Viewer


def test_whoever_looks_is_read() -> None:
    """Nothing is needed; no width and 0 are all of it."""
    query = {"width": "80", "home": "/h/ada", "choice": "spare", "colour": "1"}
    viewer = Viewer(home="/h/ada", choice="spare", width=80)

    assert read_look(query) == Look(viewer=viewer, coloured=True)
    assert read_look({}) == read_look({"width": "0"}) == Look(viewer=Viewer(), coloured=False)


@pytest.mark.parametrize(
    "query",
    [
        *({"width": each} for each in ("", "-1", "80.0", "10000", "\u0661", "8 0")),
        *({"colour": each} for each in ("", "2", "yes")),
        {"home": "/" * 2049},
        {"choice": "x" * 2049},
    ],
    ids=str,
)
def test_no_look_is_guessed(query: dict[str, str]) -> None:
    """A wrong or an endless value is an error that does not quote it."""
    with pytest.raises(BrokerError) as caught:
        read_look(query)

    assert caught.value.kind is Kind.BAD_REQUEST
    assert len(caught.value.message) < 100


def test_a_page_is_text_that_nothing_can_break() -> None:
    """Halves of characters come from names of folders, and are replaced as control characters are."""
    one = wire.CredentialStatus(
        name="a", state="fresh", last_asked_by="claude", last_asked_in="/h/\udcff\x1b[2J/x"
    )
    listed = wire.StatusList(now=1.0, pid=1, credentials=[one])
    body = status_page(listed, read_look({"home": "/h"})).body

    assert body.decode().splitlines()[1].endswith("claude in ~/\ufffd\ufffd[2J/x")
