"""Finds the provider of a name, by entry point; used inside a worker only.

What a credential of that provider may say is `settings.registry`, which loads no provider.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

from credward.errors import BrokerError, Kind
from credward.providers.provider import Provider

__all__ = ["GROUP", "find_provider", "load_provider", "provider_entry_points"]

GROUP = "credward.providers"

# What pyproject.toml says, for a checkout that was never installed and so has no entry points.
_BUILT_IN = tuple(
    EntryPoint(name, value, GROUP)
    for name, value in (
        ("anthropic", "credward.providers.anthropic.provider:AnthropicProvider"),
        ("aws", "credward.providers.aws.provider:AwsProvider"),
        ("command", "credward.providers.command:CommandProvider"),
        ("gcp", "credward.providers.gcp.provider:GcpProvider"),
        ("entra", "credward.providers.entra.provider:EntraProvider"),
        ("local", "credward.providers.local:LocalProvider"),
        ("oauth", "credward.providers.oauth.provider:OAuthProvider"),
        ("static", "credward.providers.static:StaticProvider"),
        ("vault", "credward.providers.vault.provider:VaultProvider"),
    )
)

# Workers for the daemon itself. Beside the group, for nobody else may bring one.
_OF_DAEMON = (EntryPoint("keychain", "credward.store.keychain:KeychainProvider", GROUP),)


def provider_entry_points() -> tuple[EntryPoint, ...]:
    """Return the entry points of all providers that are installed."""
    found = tuple(entry_points(group=GROUP))
    installed = any(each.module.startswith("credward.") for each in found)
    return found if installed else (*_BUILT_IN, *found)


def find_provider(name: str, candidates: Iterable[EntryPoint]) -> EntryPoint:
    """Return the one entry point of this *name*; two different claims on it are an error."""
    candidates = tuple(candidates)
    # One distribution seen twice (installed and editable) makes one and the same claim.
    claims = sorted({each.value for each in candidates if each.name == name})
    match claims:
        case [value]:
            return EntryPoint(name, value, GROUP)
        case []:
            known = ", ".join(sorted({each.name for each in candidates}))
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'provider "{name}" is not installed, there are {known}: '
                "install the package that brings it",
            )
        case _:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'provider "{name}" is claimed by {" and ".join(claims)}: uninstall one of them',
            )


def load_provider(name: str) -> Provider:
    """Import and construct the provider of this *name*."""
    own = [each for each in _OF_DAEMON if each.name == name]
    entry_point = find_provider(name, own or provider_entry_points())
    try:
        provider: Provider = entry_point.load()()
    except (ImportError, AttributeError) as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'provider "{name}" cannot be loaded from {entry_point.value} '
            f"({type(error).__name__}): install credward again with what it needs",
        ) from error
    return provider
