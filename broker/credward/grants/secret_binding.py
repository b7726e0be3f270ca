"""What a stored secret may be used for: only the credentials that used it first.

Pure. The binding is made at the first use and narrows with the configuration; only the owner can
widen it (`credward secret allow`). `secret_guard` keeps it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from credward.config import Config, CredentialConfig
from credward.settings.binding import bound_settings, words_of
from credward.settings.checks import origin_of
from credward.settings.client_flags import allows
from credward.settings.references import references_in

__all__ = ["Binding", "Use", "judge", "use_of", "ways_into"]


class Use(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One credential that a secret goes into, directly or through others.

    *base_urls*: where its tokens may be sent, none: anywhere. *flags*: client flags that its
    callers may use. *settings*: a digest for each path of the secret, over its settings except
    format and time: what is requested, from whom, by which client.
    """

    credential: str
    base_urls: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()

    def covers(self, now: Use) -> bool:
        """Return whether *now* allows nothing more than this use."""
        if not set(now.settings) <= set(self.settings):
            return False
        if not self.base_urls:
            return True
        wider = _origins(now.base_urls) - _origins(self.base_urls)
        more = [each for each in now.flags if not allows(self.flags, each)]
        return bool(now.base_urls) and not wider and not more


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """What a secret may be used for: one use for each credential."""

    uses: tuple[Use, ...] = ()

    def of(self, credential: str) -> Use | None:
        """Return the use for *credential*, or None."""
        return next((each for each in self.uses if each.credential == credential), None)

    def narrowed(self, use: Use) -> Binding:
        """Return the binding with *use* instead of the old one for the same credential."""
        return Binding(
            uses=tuple(use if each.credential == use.credential else each for each in self.uses)
        )


def judge(binding: Binding | None, secret: str, use: Use) -> Binding | str:
    """Return the binding after *use*, or why it is not allowed: one line to show.

    Without a *binding* the secret was never used; then it becomes bound to this use.
    """
    if binding is None:
        return Binding(uses=(use,))
    before = binding.of(use.credential)
    if before is not None and before.covers(use):
        return binding.narrowed(use)
    name = use.credential
    return (
        f'"{name}" may not use secret "{secret}", {_reason(binding, before, use)}: {_allow(secret)}'
    )


def use_of(config: Config, credential: CredentialConfig, secret: str) -> Use:
    """Return what *credential* uses *secret* for under *config*."""
    ways = [path for found, path in ways_into(config, credential) if found == secret]
    return Use(
        credential=credential.name,
        base_urls=credential.base_urls,
        flags=tuple(sorted(credential.allowed_flags)),
        settings=tuple(sorted({_digest(config, credential, path[1:]) for path in ways})),
    )


def _reason(binding: Binding, before: Use | None, now: Use) -> str:
    if before is None:
        names = " and ".join(f'"{each.credential}"' for each in binding.uses)
        return f"which is bound to {names}"
    if not set(now.settings) <= set(before.settings):
        return "which was used with other settings than the configured ones"
    bound = " and ".join(before.base_urls)
    if not now.base_urls:
        return f"which is bound to {bound}, but the credential may now go anywhere"
    wider = [each for each in now.base_urls if origin_of(each) not in _origins(before.base_urls)]
    if wider:
        return f"which is bound to {bound}, not to {' and '.join(wider)}"
    more = ", ".join(each for each in now.flags if not allows(before.flags, each))
    return f"which was used without allow_client_flags {more}"


def _allow(secret: str) -> str:
    return f"if you made that change, run credward secret allow {secret}"


def ways_into(
    config: Config, credential: CredentialConfig, outer: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each stored secret that goes into *credential*, and the credentials on the way."""
    if credential.name in outer:
        return
    path = (*outer, credential.name)
    for reference in references_in(credential.settings).values():
        inner = config.credentials.get(reference.credential or "")
        if reference.store is not None:
            yield reference.store, path
        elif inner is not None:
            yield from ways_into(config, inner, path)


def _digest(config: Config, credential: CredentialConfig, through: Iterable[str]) -> str:
    hops = [credential, *(config.credentials[name] for name in through)]
    words: list[Any] = [[[each.provider, bound_settings(each.settings)] for each in hops]]
    # What callers may ask for besides the settings.
    words.append([sorted(credential.audiences), sorted(credential.scopes)])
    if any(each.meaning.handed_out is None for each in hops):
        # Anyone who chooses the proxy and the certificate authorities can act as any server.
        words.append(words_of(config.network))
    return hashlib.sha256(msgspec.json.encode(words, order="sorted")).hexdigest()[:32]


def _origins(urls: Iterable[str]) -> set[object]:
    return {origin_of(each) for each in urls}
