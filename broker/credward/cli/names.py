"""Words for shell completion: from the configuration, the store's secrets, formats and levels.

Starts no daemon and reports no errors: a name that cannot be found is not proposed. `completion`
prints the script that asks. `get` imports this, so it must load fast.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from credward.cli.start import client_of, paths
from credward.errors import BrokerError

if TYPE_CHECKING:
    from credward.config import CredentialConfig

__all__ = [
    "complete_agents",
    "complete_credentials",
    "complete_formats",
    "complete_grants",
    "complete_log_levels",
    "complete_providers",
    "complete_secrets",
]

# A user who presses Tab must not wait for a busy daemon (seconds).
_PATIENCE = 1.0
# Names derived from settings; nobody types them.
_DERIVED = re.compile(r"[a-z]+-[0-9a-f]{12}")


def complete_credentials(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Return the names of the credentials, except those already on the command line."""
    named = ctx.params.get(param.name or "") or ()
    return _beginning(incomplete, [each.name for each in _credentials() if each.name not in named])


def complete_grants(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the names of credentials, and of named grants."""
    found = _credentials()
    grants = {each.grant for each in found if not _DERIVED.fullmatch(each.grant)}
    return _beginning(incomplete, {*grants, *(each.name for each in found)})


def complete_providers(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the providers that come with credward."""
    from credward.settings.registry import SETTINGS

    return _beginning(incomplete, SETTINGS)


def complete_agents(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the agents that credward knows, and `claude-code`, the name of the tool."""
    from credward.callers.programs import HARNESS_NAMES

    return _beginning(incomplete, {"claude-code", *HARNESS_NAMES})


def complete_formats(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the formats in which a credential can be printed."""
    from credward.formats.registry import FORMATS

    return _beginning(incomplete, FORMATS)


def complete_log_levels(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return how much a daemon may log."""
    return _beginning(incomplete, ("debug", "info", "warning", "error"))


def complete_secrets(
    ctx: click.Context,  # noqa: ARG001 - click's signature
    param: click.Parameter,  # noqa: ARG001
    incomplete: str,
) -> list[str]:
    """Return the names of the store's secrets, if a running daemon tells them."""
    try:
        return _beginning(incomplete, client_of(paths(), _PATIENCE).secret_names().names)
    except (BrokerError, OSError):
        return []


def _credentials() -> list[CredentialConfig]:
    try:
        from credward.config import load_config

        return list(load_config(paths()).credentials.values())
    except (BrokerError, OSError):
        return []


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
