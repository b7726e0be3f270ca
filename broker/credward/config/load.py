"""TOML files in, one frozen `Config` out, or every error at once with its file and line.

Knows the layers' rights and the tables; `settings` checks the providers' keys.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from credward import __version__
from credward.config.endpoints import read_endpoints
from credward.config.fallbacks import check_fallbacks
from credward.config.grants import (
    GrantTable,
    check_references,
    check_shared,
    check_unused,
    grant_name,
    read_grants,
    where_written,
    with_grant,
)
from credward.config.layers import Complaints, Layer, named_tables, read_layers
from credward.config.model import (
    AuditConfig,
    Config,
    CredentialConfig,
    ListenConfig,
    NotifyConfig,
    PolicyConfig,
)
from credward.config.sections import (
    AuditSection,
    CommonSection,
    ListenSection,
    NotifySection,
    PolicySection,
    StoreSection,
)
from credward.config.sinks import read_sinks
from credward.config.sources import with_sources
from credward.config.storing import contradictions, store_config
from credward.config.words import Where, convert
from credward.errors import ConfigErrors
from credward.guess import guess
from credward.paths import Paths
from credward.settings.checks import check_base_urls
from credward.settings.client_flags import check_words
from credward.settings.meaning import meaning_of
from credward.settings.network import NetworkSettings
from credward.settings.registry import SETTINGS

__all__ = ["load_config"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_TABLES = (
    "credentials",
    "grants",
    "listen",
    "policy",
    "audit",
    "network",
    "store",
    "notify",
    "endpoints",
    "sinks",
    "default",
    "requires",
)
_S = TypeVar("_S", bound=msgspec.Struct)


def load_config(paths: Paths, explicit: Path | None = None) -> Config:
    """Read all layers (or only *explicit*); raises `ConfigErrors` with all errors."""
    complaints = Complaints()
    layers = read_layers(paths, explicit, complaints)
    for layer in layers:
        _check_tables(layer, complaints)
    grants = read_grants(layers, complaints)
    credentials = _credentials(layers, grants, complaints)
    check_unused(grants, _named_grants(layers), complaints)
    check_references(credentials, complaints)
    check_shared(credentials, complaints)
    listen = _section(layers, "listen", ListenSection, complaints)
    policy = _section(layers, "policy", PolicySection, complaints)
    audit = _section(layers, "audit", AuditSection, complaints)
    store = _section(layers, "store", StoreSection, complaints)
    notify = _section(layers, "notify", NotifySection, complaints)
    network = _section(layers, "network", NetworkSettings, complaints)
    default = _default(layers, credentials, complaints)
    endpoints = read_endpoints(layers, credentials, complaints)
    sinks = read_sinks(layers, credentials, complaints)
    if not complaints.errors:
        # A wrong credential would be reported as missing here too.
        check_fallbacks(credentials, complaints)
    if listen.mode != "user" and not (listen.allow_uids and policy.directory):
        where = _where(layers, "listen", "mode")
        complaints.errors.append(
            f"{where}: mode {listen.mode} ships no permit: "
            "set listen.allow_uids and policy.directory"
        )
    for key, text in contradictions(store):
        complaints.errors.append(f"{_where(layers, 'store', key)}: {text}")
    if complaints.errors:
        # An error in a grant shows up in each credential on it.
        raise ConfigErrors(list(dict.fromkeys(complaints.errors)))
    return Config(
        default=default,
        credentials=MappingProxyType(with_sources(credentials)),
        endpoints=endpoints,
        sinks=sinks,
        listen=ListenConfig(
            mode=listen.mode,
            socket=_path(listen.socket),
            group=listen.group,
            allow_uids=tuple(listen.allow_uids),
        ),
        policy=PolicyConfig(directory=_path(policy.directory)),
        audit=AuditConfig(path=_path(audit.path), sync=audit.sync),
        store=store_config(store, config_dir=paths.config_dir),
        notify=NotifyConfig(login_required=tuple(notify.login_required or ())),
        network=network,
        sources=tuple(layer.path for layer in layers),
        digests=tuple(layer.digest for layer in layers),
        warnings=tuple(complaints.warnings),
    )


# --- tables --------------------------------------------------------------------------------------


def _check_tables(layer: Layer, complaints: Complaints) -> None:
    strict = not layer.system
    requires = layer.data.get("requires")
    if requires is not None:
        strict = True
        if not _satisfied(str(requires)):
            complaints.errors.append(
                f"{layer.at('requires')}: requires credward {requires}, this is {__version__}"
            )
    for name in layer.data:
        if name in _TABLES:
            continue
        text = f'unknown key "{name}"{guess(name, _TABLES)}'
        (complaints.errors if strict else complaints.warnings).append(f"{layer.at(name)}: {text}")


def _section(layers: list[Layer], name: str, shape: type[_S], complaints: Complaints) -> _S:
    """Return one table, merged key by key; users cannot redefine the system's keys."""
    merged: dict[str, Any] = {}
    owner: dict[str, Layer] = {}
    for layer in layers:
        table = layer.data.get(name, {})
        if not isinstance(table, dict):
            complaints.errors.append(f"{layer.at(name)}: {name} is a table")
            continue
        checked = convert(_in_table(layer, name), table, shape, complaints)
        for key in table if checked else ():
            if key in owner and owner[key].system and not layer.system:
                complaints.errors.append(
                    f"{layer.at(name, key)}: {name}.{key} is set by {owner[key].at(name, key)}"
                )
            else:
                merged[key], owner[key] = table[key], layer
    return msgspec.convert(merged, shape)


def _default(
    layers: list[Layer], credentials: Mapping[str, CredentialConfig], complaints: Complaints
) -> str | None:
    for layer in reversed(layers):
        if (name := layer.data.get("default")) is not None:
            if name not in credentials and not complaints.errors:
                complaints.errors.append(
                    f'{layer.at("default")}: default "{name}" is not a configured credential'
                    f"{guess(str(name), credentials)}"
                )
            return str(name)
    return None


# --- credentials ---------------------------------------------------------------------------------


def _credentials(
    layers: list[Layer], grants: Mapping[str, GrantTable], complaints: Complaints
) -> dict[str, CredentialConfig]:
    found: dict[str, CredentialConfig] = {}
    for layer, name, table in named_tables(layers, "credentials", complaints):
        where = layer.at("credentials", name)
        if not _NAME.fullmatch(name):
            complaints.errors.append(
                f'{where}: "{name}" is not a valid name: letters, digits, dot, dash, underscore, '
                "at most 64, beginning with a letter or digit"
            )
        elif not isinstance(table, dict):
            complaints.errors.append(f"{where}: credentials.{name} is a table")
        elif (credential := _credential(layer, name, table, grants, complaints)) is not None:
            found[name] = credential
    return found


def _credential(
    layer: Layer,
    name: str,
    table: dict[str, Any],
    grants: Mapping[str, GrantTable],
    complaints: Complaints,
) -> CredentialConfig | None:
    path = ("credentials", name)
    where = where_written(layer, path, table, grants)
    table = with_grant(layer, path, table, grants, complaints)
    provider = table.get("provider")
    if not isinstance(provider, str) or provider not in SETTINGS:
        complaints.errors.append(f"{_at(where, 'provider')}: {_no_provider(name, provider)}")
        return None
    shape = SETTINGS[provider]
    common_names = set(CommonSection.__struct_fields__)
    own_names = set(shape.__struct_fields__)
    unknown = [key for key in table if key not in common_names | own_names]
    for key in unknown:
        text = f'unknown key "{key}" for provider {provider}'
        text += guess(key, sorted(common_names | own_names))
        complaints.errors.append(f"{_at(where, key)}: {text}")
    own_words = {key: value for key, value in table.items() if key in own_names}
    common_words = {
        key: value for key, value in table.items() if key in common_names and key not in own_names
    }
    common = convert(where, common_words, CommonSection, complaints)
    own = convert(where, own_words, shape, complaints)
    if common is None or own is None or unknown:
        return None
    credential = _merged(name, provider, own, common, layer.at(*path))
    try:
        check_base_urls(credential.base_urls)
        check_words(credential.allowed_flags)
        if (refuse := credential.meaning.refuse_base_urls) is not None:
            refuse(credential.base_urls)
    except ValueError as error:
        complaints.errors.append(f"{layer.at(*path)}: {'.'.join(path)}: {error}")
        return None
    return credential


def _named_grants(layers: list[Layer]) -> set[str]:
    """Return the grants that credentials name."""
    tables = [layer.data.get("credentials") for layer in layers]
    return {
        each["grant"]
        for table in tables
        if isinstance(table, dict)
        for each in table.values()
        if isinstance(each, dict) and isinstance(each.get("grant"), str)
    }


def _no_provider(name: str, provider: object) -> str:
    if provider is None:
        return f'credentials.{name}: "provider" is missing: one of ' + ", ".join(sorted(SETTINGS))
    near = guess(str(provider), SETTINGS) or f": one of {', '.join(sorted(SETTINGS))}"
    return f'credentials.{name}: no provider "{provider}"{near}'


def _merged(
    name: str, provider: str, own: msgspec.Struct, common: CommonSection, origin: str
) -> CredentialConfig:
    one = (common.base_url,) if common.base_url else ()
    written = (*one, *common.base_urls)
    base_urls = written or meaning_of(own).base_urls
    return CredentialConfig(
        name=name,
        provider=provider,
        settings=own,
        epoch=_epoch(provider, own, common, base_urls),
        grant=common.grant or grant_name(name, provider, own),
        base_urls=base_urls,
        bound=bool(written),
        allowed_flags=frozenset(common.allow_client_flags),
        # Skip what the settings name themselves.
        audiences=(*common.serve.audiences, *meaning_of(own).audiences),
        scopes=tuple(common.serve.scopes),
        header=common.header,
        env_name=common.env_name or meaning_of(own).env_name,
        keep=common.keep,
        idle_after=common.idle_after,
        persist=common.persist,
        fallback=tuple(common.fallback),
        origin=origin,
    )


def _epoch(
    provider: str, own: msgspec.Struct, common: CommonSection, base_urls: tuple[str, ...]
) -> str:
    """Return a digest of all settings that affect a minted token, but not its format.

    The allowed hosts count: a token must not go to hosts that it was not minted for.
    """
    paths = [sorted(base_urls), sorted(common.allow_client_flags)]
    words = [provider, msgspec.to_builtins(own), common.grant, paths]
    return hashlib.sha256(msgspec.json.encode(words, order="sorted")).hexdigest()[:16]


def _in_table(layer: Layer, name: str) -> Where:
    return lambda inner: (layer, (name, *inner))


def _at(where: Where, key: str) -> str:
    layer, path = where((key,))
    return layer.at(*path)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text).expanduser()


def _where(layers: list[Layer], *path: str) -> str:
    for layer in reversed(layers):
        if path[0] in layer.data:
            return layer.at(*path)
    return os.devnull


def _satisfied(requirement: str) -> bool:
    match = re.fullmatch(r">=\s*(\d+(?:\.\d+)*)", requirement.strip())
    if match is None:
        return False
    wanted = [int(part) for part in match[1].split(".")]
    have = [int(part) for part in __version__.split(".")]
    return have >= wanted
