"""Hands out an existing secret; read again for each mint, so a change is noticed.

No end is known of such a secret: `rotate_after` only reminds. How it is read is `references`.
"""

from __future__ import annotations

from datetime import UTC, datetime

from credward.errors import BrokerError, Kind
from credward.providers.provider import Io, ProviderRequest
from credward.providers.references import read_secret
from credward.settings.static import Settings
from credward.settings.subscriptions import may_be_subscription
from credward.tokens import Secret, Token

__all__ = ["StaticProvider"]


class StaticProvider:
    """Reads the secret that the settings refer to."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Read the secret and remind of its rotation when that is due."""
        settings = token_request.settings
        assert isinstance(settings, Settings)
        name = token_request.credential
        text = read_secret(token_request, "secret", io, timeout=settings.timeout).reveal()
        _check(name, settings, text)
        now = io.now()
        day = settings.rotate_after
        if day is not None and datetime.fromtimestamp(now, UTC).date() >= day:
            io.warn(
                f"was due for rotation on {day}: replace the secret, and set rotate_after again"
            )
        return Token(
            secret=Secret(text),
            kind=settings.kind,
            issued_at=now,
            expires_at=None,
            audience=token_request.audience,
        )


def _check(name: str, settings: Settings, text: str) -> None:
    where = settings.reference.describe()
    if not text:
        raise _misconfigured(name, f"is empty in {where}: store the secret there")
    if may_be_subscription(text):
        raise _misconfigured(
            name,
            f"in {where} is an OAuth token, perhaps a subscription login of Claude.ai, which its "
            "terms allow only in Anthropic's applications: use an API key, or provider anthropic",
        )
    if not text.isascii() or not text.isprintable():
        raise _misconfigured(
            name, f"in {where} is not one line of printable ASCII: store only the secret there"
        )
    if settings.kind == "basic" and ":" not in text:
        raise _misconfigured(name, f"in {where} is not user:password: store both there")


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}')
