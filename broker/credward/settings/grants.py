"""What the settings of a provider say about the grant behind them.

Each `Settings` with a grant of its own has a property `grant_terms`; keeping and using the grant is
`grants.keeper`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import msgspec

__all__ = ["AsksServer", "GrantTerms", "HasGrant", "bound_to", "grant_terms", "upstream_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantTerms:
    """What kind of grant the mints of a credential need.

    *identity*: names of the settings that make it this grant and no other (issuer, client id,
    account, start URL); credentials that agree in them share it. They are also the words that a
    table `[grants.NAME]` may hold. *presented*: names of the settings that say to whom it is
    presented and by which client; None: all of *identity*. *rotating*: a mint may replace it, so
    that mints on it take turns. *logins*: the ways in which a human gives it, the default first;
    none where it is no login. *rotation_retry*: it is tried again after an exchange that was cut
    off. *revoke_on_drop*: it is given up when no credential is on it any more.
    """

    identity: tuple[str, ...] = ()
    presented: tuple[str, ...] | None = None
    rotating: bool = False
    logins: tuple[Literal["browser", "device"], ...] = ()
    rotation_retry: bool = True
    revoke_on_drop: bool = False


_NONE = GrantTerms()


@runtime_checkable
class HasGrant(Protocol):
    """Settings with a grant behind them."""

    @property
    def grant_terms(self) -> GrantTerms:
        """What kind of grant it is."""
        ...


@runtime_checkable
class AsksServer(Protocol):
    """Settings that name the server which their mints ask."""

    @property
    def server(self) -> str | None:
        """Its name, which others share who ask the same one; None where it is not known."""
        ...


def grant_terms(settings: msgspec.Struct) -> GrantTerms:
    """Return the terms of *settings*; a provider that says nothing keeps no grant."""
    return settings.grant_terms if isinstance(settings, HasGrant) else _NONE


def upstream_of(provider: str, settings: msgspec.Struct) -> str | None:
    """Return a name for the server that *settings* ask, which those of others may share.

    None where nothing is known of it.
    """
    server = settings.server if isinstance(settings, AsksServer) else None
    return None if server is None else f"{provider} {server}"


def bound_to(provider: str, settings: msgspec.Struct) -> str:
    """Return a name for whom the grant of *settings* is for: one of another is never sent there."""
    terms = grant_terms(settings)
    names = terms.identity if terms.presented is None else terms.presented
    words = msgspec.to_builtins({name: getattr(settings, name) for name in names})
    text = msgspec.json.encode([provider, words], order="sorted")
    return hashlib.sha256(text).hexdigest()[:32]
