"""What a credential is minted from: others whose tokens it presents, secrets, files, logins.

The one place that answers who depends on what; what follows from a change is `minting.waking`.
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
    "login_behind",
    "named_sources",
    "names_on",
    "sources",
    "users",
    "with_sources",
]


def named_sources(credential: CredentialConfig) -> set[str]:
    """Return the names of the credentials that the settings of *credential* refer to."""
    names = {reference.credential for reference in references_in(credential.settings).values()}
    return {name for name in names if name is not None}


def sources(
    credentials: Mapping[str, CredentialConfig], credential: CredentialConfig
) -> list[CredentialConfig]:
    """Return *credential* and all that it is minted from, directly or by others, each once."""
    found: dict[str, CredentialConfig] = {}
    todo = [credential]
    while todo:
        each = todo.pop(0)
        if each.name not in found:
            found[each.name] = each
            # In the same order each time: epochs are made of it.
            names = sorted(named_sources(each))
            todo += [credentials[name] for name in names if name in credentials]
    return list(found.values())


def with_sources(credentials: Mapping[str, CredentialConfig]) -> dict[str, CredentialConfig]:
    """Return the same, each with an epoch that changes with those of all that it is minted from."""
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
    """Return who depends on the stored *secret*, or on a token of one of *credentials*.

    Directly or by others; *credentials* themselves are not among them.
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
    """Return the credential whose login *credential* needs, None where it needs none of ours."""
    for each in sources(config.credentials, credential):
        if each.meaning.grant.logins:
            return each
    return None


def files_behind(config: Config, credential: CredentialConfig) -> tuple[str, ...]:
    """Return the files that a mint of *credential* reads, as the settings write them."""
    found = sources(config.credentials, credential)
    return tuple(dict.fromkeys(path for each in found for path in files_in(each.settings)))


def _refers_to(credential: CredentialConfig, secret: str | None) -> bool:
    if secret is None:
        return False
    return any(each.store == secret for each in references_in(credential.settings).values())
