"""What the settings of a provider mean to the rest of the broker: one value, declared by each.

`Settings.meaning` returns it. Fields that are not set have defaults; nobody looks up attributes by
name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import msgspec

from credward.settings.grants import GrantTerms
from credward.settings.references import Reference, references_in
from credward.settings.services import Service

__all__ = ["HasMeaning", "Meaning", "files_in", "meaning_of", "upstream_of"]


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """What the settings of one credential say. Durations are in seconds.

    *grant*: the kind of grant it uses. *server*: a name for the server that mints ask, equal for
    all that ask the same one; None if unknown. *timeout*: how long a mint may take. *lifetime*: how
    long a token lasts, None if only a mint can tell. *kind*: the kind of token, None likewise.

    *service*: which service takes the token, None if a base URL must say so. *base_urls*: those of
    that service, the usual one first. *region* and *project*: where in the vendor's cloud its
    clients ask. *refuse_base_urls* raises `ValueError` for base URLs where the token would not
    work. *audiences*: those that callers may name without `serve.audiences`. *env_name*: the
    variable that the vendor's clients read it from. *headers*: what the service wants in each
    request besides the token, nothing secret.

    *handed_out*: the source of a secret that is handed out as it is, None if a token is minted.
    *comes_from*: where else the secret lies that is handed out, in words for people; "" if unknown.
    *kept_by*: who keeps the login that mints go by, where that is not us, in words for people; "":
    there is none.
    *presents_once*: what a mint presents may be used up, so the next one must know. *files*: what
    mints read besides secrets; a path may begin with `~/`. *free*: names of settings about the
    format of a token, its life or a timeout, never about its permissions or who sees a secret: they
    may change without the secret's owner (`grants.secret_binding`).
    """

    grant: GrantTerms = GrantTerms()
    server: str | None = None
    timeout: float | None = None
    lifetime: float | None = None
    kind: str | None = None
    service: Service | None = None
    region: str | None = None
    project: str | None = None
    base_urls: tuple[str, ...] = ()
    refuse_base_urls: Callable[[tuple[str, ...]], None] | None = None
    audiences: tuple[str, ...] = ()
    env_name: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    handed_out: Reference | None = None
    comes_from: str = ""
    kept_by: str = ""
    presents_once: bool = False
    files: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


@runtime_checkable
class HasMeaning(Protocol):
    """Settings with a `meaning`."""

    @property
    def meaning(self) -> Meaning:
        """What they mean."""
        ...


_NOTHING = Meaning()


def meaning_of(settings: msgspec.Struct) -> Meaning:
    """Return what *settings* mean; defaults for a plug-in without a `meaning`."""
    # A plug-in may have a setting of that name: then the user wrote its value.
    said = settings.meaning if isinstance(settings, HasMeaning) else None
    return said if isinstance(said, Meaning) else _NOTHING


def upstream_of(provider: str, settings: msgspec.Struct) -> str | None:
    """Return a name for the server that *settings* ask; other settings may share it.

    None if unknown.
    """
    server = meaning_of(settings).server
    return None if server is None else f"{provider} {server}"


def files_in(settings: msgspec.Struct) -> tuple[str, ...]:
    """Return the files that mints read: from references, and those that the settings name.

    A path may begin with `~/`.
    """
    referred = [each.file for each in references_in(settings).values() if each.file is not None]
    return (*referred, *meaning_of(settings).files)
