"""The first picture of the README is what the command shows today."""

from __future__ import annotations

import re

import pytest

from integration import drawing
from repository.tree import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(drawing.missing() is not None, reason=str(drawing.missing())),
]


def masked(picture: str) -> str:
    """Return *picture* with `#` for digits in what is to be read: it took a moment or two."""
    return re.sub(r">[^<]+<", lambda text: re.sub(r"\d", "#", text[0]), picture)


def test_the_picture_is_of_today() -> None:
    """If it is not: `make drawing`, and look at it."""
    text = drawing.screen()
    for theme in ("light", "dark"):
        kept = (ROOT / f"docs/images/status-{theme}.svg").read_text()
        assert masked(drawing.draw(text, theme)) == masked(kept)
        assert len(kept) < 6000
