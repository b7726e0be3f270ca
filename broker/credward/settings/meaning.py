"""What the settings of a provider mean to the rest of the broker: one value, declared by each.

`Settings.meaning` returns it. Who says nothing of a thing has its default; nobody looks for an
attribute by its name.
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

    *grant*: what kind of grant is behind it. *server*: a name for the server that mints ask, which
    others share who ask the same one; None where that is not known. *timeout*: how long a mint may
    take. *lifetime*: how long a token lasts, None where only a mint will tell. *kind*: of token,
    None likewise.

    *service*: which service takes the token, None where a base URL has to say. *base_urls*: those
    of that service, the usual one first. *refuse_base_urls* raises `ValueError` for those at which
    the token could not be used. *audiences*: those that callers may name without `serve.audiences`.
    *env_name*: the variable in which the vendor's clients look for it.

    *handed_out*: where the secret is that is handed out as it is, None where a token is minted.
    *presents_once*: what a mint presents may be used up, so that the next one must be told.
    *files*: what mints read besides secrets; a path may begin with `~/`. *free*: names of settings
    that say in which shape a token is handed out, for how long it is good or how long to wait,
    never what it is good for or who sees a secret: they may change without the word of the
    secret's owner (`grants.secret_binding`).
    """

    grant: GrantTerms = GrantTerms()
    server: str | None = None
    timeout: float | None = None
    lifetime: float | None = None
    kind: str | None = None
    service: Service | None = None
    base_urls: tuple[str, ...] = ()
    refuse_base_urls: Callable[[tuple[str, ...]], None] | None = None
    audiences: tuple[str, ...] = ()
    env_name: str | None = None
    handed_out: Reference | None = None
    presents_once: bool = False
    files: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


@runtime_checkable
class HasMeaning(Protocol):
    """Settings that say what they mean."""

    @property
    def meaning(self) -> Meaning:
        """What they mean."""
        ...


_NOTHING = Meaning()


def meaning_of(settings: msgspec.Struct) -> Meaning:
    """Return what *settings* mean; of those of a plug-in that say nothing, the defaults."""
    # A setting of a plug-in may have that name: then it is the word of who configured it.
    said = settings.meaning if isinstance(settings, HasMeaning) else None
    return said if isinstance(said, Meaning) else _NOTHING


def upstream_of(provider: str, settings: msgspec.Struct) -> str | None:
    """Return a name for the server that *settings* ask, which those of others may share.

    None where nothing is known of it.
    """
    server = meaning_of(settings).server
    return None if server is None else f"{provider} {server}"


def files_in(settings: msgspec.Struct) -> tuple[str, ...]:
    """Return the files that the settings have read: of references, and what they name themselves.

    A path may begin with `~/`.
    """
    referred = [each.file for each in references_in(settings).values() if each.file is not None]
    return (*referred, *meaning_of(settings).files)
