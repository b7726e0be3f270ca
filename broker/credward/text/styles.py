"""Colours of a terminal: the few that we use (SGR, ECMA-48 8.3.117)."""

from __future__ import annotations

import re

__all__ = ["styled", "unstyled"]

_CODES = {"bold": 1, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_SGR = re.compile(r"\x1b\[[0-9;]*m")


def styled(text: str, style: str | None) -> str:
    """Return *text* in a colour or `bold`; None: as it is."""
    return text if style is None else f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def unstyled(text: str) -> str:
    """Return *text* without what `styled` adds."""
    return _SGR.sub("", text)
