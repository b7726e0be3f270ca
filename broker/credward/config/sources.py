"""What a credential is minted from: tokens of other credentials, secrets, files, logins.

The only place that knows what depends on what; `minting.waking` reacts to changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

import msgspec

from credward.config.model import Config, CredentialConfig
from credward.settings.meaning import files_in
from credward.settings.references import references_in

__all__ = [
    "files_behind",
    "kept_elsewhere",
    "login_behind",
    "logins_behind",
    "named_sources",
    "names_on",
    "secrets_of_alone",
    "sources",
    "users",
    "with_sources",
]


def named_sources(credential: CredentialConfig) -> set[str]:
    """Return the names of the credentials that the settings of *credential* refer to."""
    names = {reference.credential for reference in references_in(credential.settings).values()}
    return {name for name in names if name is not None}


def secrets_of_alone(config: Config, credential: CredentialConfig) -> list[str]:
    """Return the names of the secrets in the store that only *credential* refers to."""
    others = (each for each in config.credentials.values() if each.name != credential.name)
    elsewhere = {secret for each in others for secret in _secrets(each)}
    return sorted(_secrets(credential) - elsewhere)


def _secrets(credential: CredentialConfig) -> set[str]:
    names = {reference.store for reference in references_in(credential.settings).values()}
    return {name for name in names if name is not None}


def sources(
    credentials: Mapping[str, CredentialConfig], credential: CredentialConfig
) -> list[CredentialConfig]:
    """Return *credential* and all that it is minted from, directly or through others, each once."""
    found: dict[str, CredentialConfig] = {}
    todo = [credential]
    while todo:
        each = todo.pop(0)
        if each.name not in found:
            found[each.name] = each
            # In the same order each time: epochs depend on it.
            names = sorted(named_sources(each))
            todo += [credentials[name] for name in names if name in credentials]
    return list(found.values())


def with_sources(credentials: Mapping[str, CredentialConfig]) -> dict[str, CredentialConfig]:
    """Return the same credentials, with epochs that change with all that they are minted from."""
    return {
        name: msgspec.structs.replace(each, epoch=_epoch(sources(credentials, each)))
        for name, each in credentials.items()
    }


def _epoch(found: list[CredentialConfig]) -> str:
    if len(found) == 1:
        return found[0].epoch
    return hashlib.sha256(" ".join(each.epoch for each in found).encode()).hexdigest()[:16]


def users(
    config: Config, *, secret: str | None = None, credentials: Collection[str] = ()
) -> list[CredentialConfig]:
    """Return the credentials that depend on the stored *secret*, or on a token of *credentials*.

    Directly or through others; *credentials* themselves are not included.
    """
    return [
        each
        for each in config.credentials.values()
        if each.name not in credentials
        and any(
            source.name in credentials or _refers_to(source, secret)
            for source in sources(config.credentials, each)
        )
    ]


def names_on(config: Config, grant: str) -> tuple[str, ...]:
    """Return the names of the credentials on *grant*."""
    return tuple(each.name for each in config.credentials.values() if each.grant == grant)


def login_behind(config: Config, credential: CredentialConfig) -> CredentialConfig | None:
    """Return the credential whose login *credential* needs, None if it needs none of ours."""
    for each in sources(config.credentials, credential):
        if each.meaning.grant.logins:
            return each
    return None


def logins_behind(config: Config, credential: CredentialConfig) -> tuple[str, ...]:
    """Return the grants of people's logins that *credential* depends on.

    Also through what it is minted from, and through what replaces it.
    """
    found = _all_behind(config, credential)
    return tuple(dict.fromkeys(each.grant for each in found if each.meaning.grant.logins))


def kept_elsewhere(config: Config, credential: CredentialConfig) -> tuple[str, ...]:
    """Return who else keeps logins that *credential* depends on, in words for people."""
    found = []
    for each in _all_behind(config, credential):
        programs = (one.command for one in references_in(each.settings).values())
        found += [each.meaning.kept_by, *(program[0] for program in programs if program)]
    return tuple(dict.fromkeys(each for each in found if each))


def _all_behind(config: Config, credential: CredentialConfig) -> list[CredentialConfig]:
    """Return *credential*, its sources, what replaces any of them, and the sources of these."""
    found: dict[str, CredentialConfig] = {}
    todo = [credential]
    while todo:
        each = todo.pop(0)
        if each.name not in found:
            found[each.name] = each
            names = [*sorted(named_sources(each)), *each.fallback]
            todo += [config.credentials[name] for name in names if name in config.credentials]
    return list(found.values())


def files_behind(config: Config, credential: CredentialConfig) -> tuple[str, ...]:
    """Return the files that a mint of *credential* reads, as written in the settings."""
    found = sources(config.credentials, credential)
    return tuple(dict.fromkeys(path for each in found for path in files_in(each.settings)))


def _refers_to(credential: CredentialConfig, secret: str | None) -> bool:
    if secret is None:
        return False
    return any(each.store == secret for each in references_in(credential.settings).values())
