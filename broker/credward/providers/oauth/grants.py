"""The grant as text: a refresh token, with the key that it is bound to where DPoP is in use.

Only `provider` reads it; keeping it is the daemon's job.
"""

from __future__ import annotations

import msgspec

from credward.errors import BrokerError, Kind, login_required
from credward.providers.oauth.dpop import ProofKey
from credward.providers.oauth.errors import login_command
from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings
from credward.tokens import Secret

__all__ = ["HeldGrant", "read_grant"]


class _Bound(msgspec.Struct, frozen=True, kw_only=True):
    refresh_token: str
    dpop_key: str

    def __repr__(self) -> str:
        return "_Bound(***)"


class HeldGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A refresh token, and its key by RFC 9449 section 5 where it has one."""

    refresh_token: Secret
    key: ProofKey | None

    def seal(self) -> Secret:
        """Return it as the text that is kept."""
        if self.key is None:
            return self.refresh_token
        bound = _Bound(refresh_token=self.refresh_token.reveal(), dpop_key=self.key.export())
        return Secret(msgspec.json.encode(bound).decode())


def read_grant(token_request: ProviderRequest) -> HeldGrant:
    """Return the grant of *token_request*; raise `login-required` if there is none."""
    name = token_request.credential
    settings = token_request.settings
    assert isinstance(settings, Settings)
    command = login_command(name, settings.grant_type)
    if token_request.grant is None:
        raise login_required(name, remedy=f"run {command}").error()
    text = token_request.grant.reveal().strip()
    if text.startswith("{"):
        try:
            bound = msgspec.json.decode(text, type=_Bound)
            bound_key = ProofKey.load(bound.dpop_key)
        except (msgspec.DecodeError, ValueError):
            # Without the cause, which may quote the grant.
            raise _unusable(name, command) from None
        return HeldGrant(refresh_token=Secret(bound.refresh_token), key=bound_key)
    if not text or not text.isascii() or not text.isprintable():
        raise _unusable(name, command)
    # A refresh token that was brought along, and is bound to no key yet.
    key = ProofKey.generate() if settings.dpop else None
    return HeldGrant(refresh_token=Secret(text), key=key)


def _unusable(name: str, command: str) -> BrokerError:
    return BrokerError(Kind.LOGIN_REQUIRED, f'"{name}" has an invalid refresh token: run {command}')
