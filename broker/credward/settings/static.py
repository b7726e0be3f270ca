"""The settings of the provider `static`.

`providers.static` reads the secret.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from credward.settings.meaning import Meaning
from credward.settings.references import Reference, refuse_literal

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret that is handed out as it is; *rotate_after* is the day of a reminder."""

    # A string reaches `__post_init__`, whose message is better than "expected object".
    secret: Reference | str
    kind: Literal["bearer", "api-key", "basic"] = "bearer"
    rotate_after: dt.date | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0

    def __post_init__(self) -> None:
        refuse_literal(self.secret)

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            handed_out=self.reference,
            timeout=self.timeout,
            kind=self.kind,
            free=("kind", "rotate_after", "timeout"),
        )

    @property
    def reference(self) -> Reference:
        """Where the secret is."""
        return refuse_literal(self.secret)
