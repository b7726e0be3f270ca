"""The settings of the provider `command`.

`providers.command` runs the program and reads its output.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from credward.settings.checks import check_program, check_variables
from credward.settings.meaning import Meaning
from credward.settings.subscriptions import refuse_program

__all__ = ["Settings"]

Seconds = Annotated[float, msgspec.Meta(gt=0, le=315_360_000)]
Timeout = Annotated[float, msgspec.Meta(gt=0, le=600)]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program that prints a token.

    *lifetime* counts if the program gives no expiry; *expiry* fixes where to look for it (None: in
    its JSON, else in a JWT, else *lifetime*). *kind* None: `aws` for the format of
    `credential_process`, else `bearer`. *env* is added to the program's clean environment.
    """

    command: tuple[str, ...]
    lifetime: Seconds | None = None
    expiry: Literal["json", "jwt", "configured"] | None = None
    timeout: Timeout = 30.0
    env: dict[str, str] = {}
    kind: Literal["bearer", "aws", "basic", "api-key"] | None = None

    def __post_init__(self) -> None:
        check_program(self.command)
        refuse_program(self.command)
        check_variables(self.env)
        if self.expiry == "configured" and self.lifetime is None:
            raise ValueError('expiry = "configured" needs lifetime, in seconds')

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            timeout=self.timeout,
            lifetime=self.lifetime,
            kind=self.kind,
            kept_by=self.command[0],
            comes_from=f"what {self.command[0]} prints, and its login or key",
            free=("lifetime", "expiry", "timeout", "kind"),
        )
