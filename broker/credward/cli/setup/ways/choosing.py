"""Which way leads Claude Code to the service of a credential."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from credward.cli.setup.claude_code import BASE_URL, base_url_of
from credward.cli.setup.ways.bedrock import bedrock
from credward.cli.setup.ways.claude_api import claude_api
from credward.cli.setup.ways.foundry import foundry
from credward.cli.setup.ways.vertex import vertex
from credward.cli.setup.ways.way import Asked, Way
from credward.errors import BrokerError, Kind
from credward.settings.services import Service

__all__ = ["way_to"]

_CLOUDS = {
    Service.AWS: bedrock,
    Service.BEDROCK: bedrock,
    Service.GOOGLE: vertex,
    Service.FOUNDRY: foundry,
    Service.CLAUDE_LOGIN: claude_api,
}
# Where a LiteLLM gateway has the protocol of each cloud (docs.litellm.ai, "Pass-through").
_THROUGH = {"bedrock": (bedrock, "/bedrock"), "vertex": (vertex, "/vertex_ai/v1")}


def way_to(asked: Asked) -> Way:
    """Return what leads Claude Code to the service of the credential.

    Raise `fix-configuration` if it cannot use the credential, or if something is missing in our
    configuration; `bad-request` for options that do not fit.
    """
    credential = asked.credential
    service = credential.meaning.service
    if service not in {None, Service.CLAUDE} and service not in _CLOUDS:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential.name}" is for {service}, which Claude Code does not use by itself: '
            "name another credential, from credward status",
        )
    if service in _CLOUDS:
        _refuse(asked, "pass_through" if asked.pass_through else None)
        return _CLOUDS[service](asked)
    if asked.pass_through:
        return _through(asked)
    for option in ("region", "project", "door", "base_url"):
        _refuse(asked, option if _said(asked)[option] else None)
    base_url = base_url_of(credential)
    return Way(variables={BASE_URL[1]: base_url} if base_url else {}, helper=True)


def _through(asked: Asked) -> Way:
    """Return what leads to a cloud through the gateway of the credential."""
    assert asked.pass_through is not None
    way, path = _THROUGH[asked.pass_through]
    base_url = asked.base_url or base_url_of(asked.credential)
    if base_url is None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{asked.credential.name}" has no base_url, the address of the gateway: write it into '
            "its settings (credward config edit)",
        )
    whole = base_url if asked.base_url else f"{base_url}{path}"
    return way(msgspec.structs.replace(asked, base_url=whole))


def _said(asked: Asked) -> Mapping[str, str | None]:
    return {
        "region": asked.region,
        "project": asked.project,
        "door": asked.door,
        "base_url": asked.base_url,
    }


def _refuse(asked: Asked, option: str | None) -> None:
    """Refuse an option that says nothing for this credential."""
    if option is not None:
        word = {"door": "with"}.get(option, option.replace("_", "-"))
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'--{word} does not fit "{asked.credential.name}": leave it out',
        )
