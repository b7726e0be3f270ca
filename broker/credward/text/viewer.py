"""Who reads a text: the same state reads otherwise in another home, shell or window."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from credward.guess import guess
from credward.text.tables import plain

__all__ = ["CHOICE", "Viewer"]

# Chooses for one call; commands and the helper read it.
CHOICE = "CREDWARD_CREDENTIAL"


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """A person who looks.

    *home* is shown as `~`. *choice*: what `CHOICE` of the shell names. Both empty: not set.
    *width* of the window in places, None: all is shown in full.
    """

    home: str = ""
    choice: str = ""
    width: int | None = None

    def active_name(self, chosen: str | None) -> str | None:
        """Return which credential counts when none is named.

        *chosen*: what the daemon would give this caller.
        """
        return self.choice or chosen

    def explain(self, chosen: str | None, because: str, known: Collection[str]) -> str | None:
        """Return it with the reason, None if one must be named; *known*: all that there are."""
        if self.choice:
            text = f"{plain(self.choice)} ({CHOICE} of this shell)"
            if self.choice in known:
                return text
            return f"{text}, which is not configured{guess(self.choice, known)}: unset {CHOICE}"
        return plain(f"{chosen} ({because})") if chosen else None

    def short(self, folder: str) -> str:
        """Return a folder with `~` for the home."""
        home = self.home.rstrip("/")
        if home and (folder == home or folder.startswith(f"{home}/")):
            return f"~{folder[len(home) :]}"
        return folder
