"""The settings of the provider `local`.

`providers.local` signs; `store.signing_keys` makes and keeps the key.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from credward.settings.meaning import Meaning

__all__ = ["Settings"]

# The settings set these claims; a second value would contradict them.
_RESERVED = frozenset({"iss", "sub", "aud", "iat", "nbf", "exp", "jti", "scope"})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JWT signed here, for gateways that trust our key. *subject* None: the credential's name."""

    lifetime: Annotated[float, msgspec.Meta(ge=5, le=31_536_000)] = 3600.0
    issuer: str = "https://credward.local"
    subject: str | None = None
    audience: str | None = None
    claims: dict[str, Any] = {}

    def __post_init__(self) -> None:
        if taken := sorted(_RESERVED & self.claims.keys()):
            raise ValueError(
                f"claims cannot set {', '.join(taken)}: use issuer, subject, audience and lifetime"
            )

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(lifetime=self.lifetime, free=("lifetime",))
