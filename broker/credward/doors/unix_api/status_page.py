"""The status as text: who will read it, and the page for that person.

Loaded at the first question for it: a daemon that only hands out tokens needs none of this.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from credward import wire
from credward.doors.unix_api.inputs import text
from credward.errors import BrokerError, Kind
from credward.http.messages import HttpResponse
from credward.text.status import page
from credward.text.viewer import Viewer

__all__ = ["Look", "read_look", "status_page"]

_WIDTH = re.compile(r"[0-9]{1,4}")


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """How the page shall look: *coloured* with the colours of a terminal."""

    viewer: Viewer
    coloured: bool


def read_look(query: Mapping[str, str]) -> Look:
    """Return what a caller wants; a width of 0: all in full."""
    width, colour = query.get("width", "0"), query.get("colour", "0")
    if _WIDTH.fullmatch(width) is None:
        raise BrokerError(Kind.BAD_REQUEST, "width is not a number of places between 0 and 9999")
    if colour not in {"0", "1"}:
        raise BrokerError(Kind.BAD_REQUEST, "colour is neither 0 nor 1")
    viewer = Viewer(
        home=text(query, "home") or "",
        choice=text(query, "choice") or "",
        width=int(width) or None,
    )
    return Look(viewer=viewer, coloured=colour == "1")


def status_page(statuses: wire.StatusList, look: Look) -> HttpResponse:
    """Return what a plain `credward status` prints."""
    return HttpResponse(
        status=200,
        body=page(statuses, look.viewer, coloured=look.coloured).encode(),
        content_type="text/plain; charset=utf-8",
    )
