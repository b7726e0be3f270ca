"""The endpoint on loopback that a set-up leads programs to, and what to write where there is none.

A set-up stays, so the port must too: only an endpoint with a `port` counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from credward.cli.endpoint_variables import SECRETS, variables_of
from credward.cli.output import say
from credward.cli.start import paths
from credward.config import Config, CredentialConfig, EndpointConfig
from credward.config.endpoints import unfit
from credward.errors import BrokerError, Kind
from credward.settings.doors import DoorKind
from credward.store.door_secrets import secret_file

__all__ = ["endpoint_for", "find_endpoint", "leading_to"]

_FIRST_PORT = 9911


def find_endpoint(
    config: Config, credential: CredentialConfig, doors: Sequence[DoorKind]
) -> EndpointConfig | None:
    """Return the endpoint of *credential* at the first of these *doors* that has one, or None."""
    # Only the door of the container has a path for each of several.
    return next(
        (
            each
            for door in doors
            for each in config.endpoints
            if each.door == door and each.port is not None and credential.name in each.credentials
            if door == "aws-container" or each.credentials[0] == credential.name
        ),
        None,
    )


def endpoint_for(
    config: Config, credential: CredentialConfig, doors: Sequence[DoorKind]
) -> EndpointConfig:
    """Return what `find_endpoint` does, else raise `fix-configuration`.

    What to add is printed before. Raises `bad-request` if no such door is for *credential*.
    """
    if (problem := unfit(doors[0], credential)) is not None:
        raise BrokerError(
            Kind.BAD_REQUEST, f"{problem}: name another credential, from credward status"
        )
    found = find_endpoint(config, credential, doors)
    if found is not None:
        return found
    say(f'add this to {paths().config_file}:\n\n[[endpoints]]\ndoor = "{doors[0]}"')
    say(f'credential = "{credential.name}"\nport = {_free_port(config)}\n')
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential.name}" has no endpoint with door {doors[0]} and a fixed port: run credward '
        "config edit, add the lines above, then run this again",
    )


def leading_to(endpoint: EndpointConfig, credential: str, secret: str = "") -> Mapping[str, str]:
    """Return the variables that lead a program to *credential* there.

    *secret*: how a shell reads what no variable for a file exists for, with `{}` for its path.
    """
    assert endpoint.port is not None
    file = str(secret_file(paths().state_dir, endpoint.name))
    named = credential if endpoint.credentials[0] != credential else ""
    found = variables_of(endpoint.door, endpoint.port, file, lambda: secret.format(file), named)
    assert secret or SECRETS.isdisjoint(found)
    return found


def _free_port(config: Config) -> int:
    taken = {each.port for each in config.endpoints}
    return next(port for port in range(_FIRST_PORT, 65_536) if port not in taken)
