"""What the settings of a provider say about the grant behind them.

A part of their `meaning`; keeping and using the grant is `grants.keeper`.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

__all__ = ["GrantTerms", "bound_to"]


class GrantTerms(msgspec.Struct, frozen=True, kw_only=True):
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


def bound_to(provider: str, terms: GrantTerms, settings: msgspec.Struct) -> str:
    """Return a name for whom the grant of *settings* is for: one of another is never sent there."""
    names = terms.identity if terms.presented is None else terms.presented
    words = msgspec.to_builtins({name: getattr(settings, name) for name in names})
    text = msgspec.json.encode([provider, words], order="sorted")
    return hashlib.sha256(text).hexdigest()[:32]
