"""Which grant a credential uses: `[grants.NAME]`, or the one that its settings identify.

Names and words only; the grants themselves are in the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

import msgspec

from credward.config.layers import Complaints, Layer, named_tables
from credward.config.model import CredentialConfig
from credward.config.sections import CommonSection
from credward.config.sources import named_sources, sources
from credward.config.words import Where
from credward.guess import guess
from credward.settings.grants import bound_to
from credward.settings.meaning import meaning_of
from credward.settings.references import PROOFS, references_in
from credward.settings.registry import SETTINGS

__all__ = [
    "GrantTable",
    "check_references",
    "check_shared",
    "check_unused",
    "grant_name",
    "read_grants",
    "where_written",
    "with_grant",
]


class GrantTable(msgspec.Struct, frozen=True, kw_only=True):
    """One `[grants.NAME]`: settings that all credentials on it share."""

    name: str
    words: Mapping[str, Any]
    layer: Layer

    @property
    def origin(self) -> str:
        """Return `file:line` of its head."""
        return self.layer.at("grants", self.name)


def read_grants(layers: list[Layer], complaints: Complaints) -> dict[str, GrantTable]:
    """Return the tables of all layers; none may be defined twice."""
    found: dict[str, GrantTable] = {}
    for layer, name, words in named_tables(layers, "grants", complaints, noun="grant "):
        where = layer.at("grants", name)
        if not isinstance(words, dict):
            complaints.errors.append(f"{where}: grants.{name} is a table")
        else:
            found[name] = GrantTable(name=name, words=words, layer=layer)
    return found


def with_grant(
    layer: Layer,
    path: tuple[str, ...],
    table: Mapping[str, Any],
    grants: Mapping[str, GrantTable],
    complaints: Complaints,
) -> dict[str, Any]:
    """Return the settings of a credential together with those of the grant that it names."""
    grant = _grant_of(table, grants)
    if grant is None:
        return dict(table)
    for key, value in grant.words.items():
        if key in table and table[key] != value:
            complaints.errors.append(
                f"{layer.at(*path, key)}: {key} has another value in its grant at {grant.origin}"
            )
    return {**grant.words, **table}


def _grant_of(table: Mapping[str, Any], grants: Mapping[str, GrantTable]) -> GrantTable | None:
    name = table.get("grant")
    return grants.get(name) if isinstance(name, str) else None


def where_written(
    layer: Layer,
    path: tuple[str, ...],
    table: Mapping[str, Any],
    grants: Mapping[str, GrantTable],
) -> Where:
    """Return where each key of a credential was written: in its *table*, or in its grant's."""
    grant = _grant_of(table, grants)

    def where(inner: tuple[str, ...]) -> tuple[Layer, tuple[str, ...]]:
        if grant is not None and inner and inner[0] in grant.words and inner[0] not in table:
            return grant.layer, ("grants", grant.name, *inner)
        return layer, (*path, *inner)

    return where


def check_unused(
    grants: Mapping[str, GrantTable], used: Collection[str], complaints: Complaints
) -> None:
    """Report keys that no provider knows in grants that no credential uses (yet)."""
    for name, grant in grants.items():
        if name in used:
            continue
        provider = grant.words.get("provider")
        if isinstance(provider, str) and provider in SETTINGS:
            shapes = [SETTINGS[provider]]
        else:
            shapes = list(SETTINGS.values())
        known = set(CommonSection.__struct_fields__)
        known.update(key for shape in shapes for key in shape.__struct_fields__)
        for key in grant.words:
            if key not in known:
                text = f'unknown key "{key}"{guess(key, sorted(known))}'
                complaints.errors.append(f"{grant.layer.at('grants', name, key)}: {text}")


def grant_name(credential: str, provider: str, settings: msgspec.Struct) -> str:
    """Return the name of the grant that *settings* identify.

    Credentials with the same issuer, client and account share a grant automatically; without such
    settings each has its own.
    """
    identity = meaning_of(settings).grant.identity
    if not identity:
        return credential
    words = msgspec.to_builtins({name: getattr(settings, name) for name in identity})
    digest = hashlib.sha256(msgspec.json.encode([provider, words], order="sorted")).hexdigest()
    return f"{provider}-{digest[:12]}"


def check_shared(credentials: Mapping[str, CredentialConfig], complaints: Complaints) -> None:
    """Report credentials that name one grant and would present it to different servers."""
    first: dict[str, CredentialConfig] = {}
    for each in credentials.values():
        terms = each.meaning.grant
        if not (terms.logins or terms.rotating):
            continue
        other = first.setdefault(each.grant, each)
        if bound_to(each.provider, each.meaning.grant, each.settings) != bound_to(
            other.provider, other.meaning.grant, other.settings
        ):
            complaints.errors.append(
                f'{each.origin}: "{each.name}" shares grant "{each.grant}" with "{other.name}", '
                "but names another provider, server or client"
            )


def check_references(credentials: Mapping[str, CredentialConfig], complaints: Complaints) -> None:
    """Report references to credentials that do not exist, circles, and proofs in a wrong place."""
    for name, each in credentials.items():
        for key, reference in references_in(each.settings).items():
            if reference.spiffe is not None and key not in PROOFS:
                complaints.errors.append(
                    f"{each.origin}: {key} is no place for a JWT-SVID, which is a proof for an "
                    f"exchange: use it as {', '.join(sorted(PROOFS))} of a provider that has it"
                )
        used = named_sources(each)
        for other in sorted(used - credentials.keys()):
            complaints.errors.append(
                f'{each.origin}: "{name}" refers to credential "{other}", '
                f"which is not configured{guess(other, credentials)}"
            )
        if any(name in named_sources(source) for source in sources(credentials, each)):
            complaints.errors.append(
                f'{each.origin}: "{name}" refers to itself, through {", ".join(sorted(used))}'
            )
