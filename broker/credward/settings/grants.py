"""What the settings of a provider say about their grant.

A part of their `meaning`; `grants.keeper` keeps and uses the grant.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

__all__ = ["GrantTerms", "bound_to", "names_server", "set_identity"]


class GrantTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What kind of grant the mints of a credential need.

    *identity*: names of the settings that identify the grant (issuer, client id, account, start
    URL); credentials that agree in them share it. A table `[grants.NAME]` may hold the same names.
    *presented*: names of the settings that say to whom it is presented and by which client; None:
    all of *identity*. *rotating*: a mint may replace it, so mints on it take turns. *logins*: the
    ways to log in, the default first; none if it is not a login. *rotation_retry*: it is tried
    again after an exchange that was cut off. *revoke_on_drop*: it is dropped when no credential
    uses it any more.
    """

    identity: tuple[str, ...] = ()
    presented: tuple[str, ...] | None = None
    rotating: bool = False
    logins: tuple[Literal["browser", "device"], ...] = ()
    rotation_retry: bool = True
    revoke_on_drop: bool = False


def bound_to(provider: str, terms: GrantTerms, settings: msgspec.Struct) -> str:
    """Return a name for the server and client of the grant: it is never sent to another."""
    names = _presented(terms)
    words = msgspec.to_builtins({name: getattr(settings, name) for name in names})
    text = msgspec.json.encode([provider, words], order="sorted")
    return hashlib.sha256(text).hexdigest()[:32]


def set_identity(terms: GrantTerms, settings: msgspec.Struct) -> list[str]:
    """Return the names of the settings that identify the grant here, without defaults."""
    fields = {each.name: each.default for each in msgspec.structs.fields(settings)}
    return [each for each in terms.identity if getattr(settings, each) not in (None, fields[each])]


def names_server(terms: GrantTerms) -> bool:
    """Return whether `bound_to` tells one server and client from another of the same provider."""
    return bool(_presented(terms))


def _presented(terms: GrantTerms) -> tuple[str, ...]:
    return terms.identity if terms.presented is None else terms.presented
