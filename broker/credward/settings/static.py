"""What a credential of the provider `static` may say.

Reading the secret is the job of `providers.static`.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, ClassVar, Literal

import msgspec

from credward.settings.references import Reference, refuse_literal

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A secret that is handed out as it is; *rotate_after* is the day of a reminder."""

    # A text is let through to `__post_init__`, which can say more than "expected object".
    secret: Reference | str
    kind: Literal["bearer", "api-key", "basic"] = "bearer"
    rotate_after: dt.date | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0

    # Of shape and time alone: a stored secret is bound to all others (`settings.binding`).
    free: ClassVar[tuple[str, ...]] = ("kind", "rotate_after", "timeout")

    def __post_init__(self) -> None:
        refuse_literal(self.secret)

    @property
    def handed_out(self) -> Reference:
        """Where the secret is."""
        return refuse_literal(self.secret)
