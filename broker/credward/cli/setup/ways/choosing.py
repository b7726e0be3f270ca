"""Which way leads Claude Code to the service of a credential."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, NoReturn

import msgspec

from credward.cli.setup.claude_code import BASE_URL, base_url_of
from credward.cli.setup.ways.bedrock import bedrock
from credward.cli.setup.ways.claude_api import claude_api
from credward.cli.setup.ways.foundry import foundry
from credward.cli.setup.ways.vertex import vertex
from credward.cli.setup.ways.way import Asked, PassThrough, Way
from credward.errors import BrokerError, Kind
from credward.settings.services import Service

__all__ = ["way_to"]


class _To(NamedTuple):
    """One way, with the *options* that it heeds, and those *doors* that are not its usual one."""

    lead: Callable[[Asked], Way]
    options: frozenset[str] = frozenset()
    doors: frozenset[str] = frozenset()


def _usual(asked: Asked) -> Way:
    """Return what leads to the Claude API or a gateway with what the helper prints."""
    base_url = base_url_of(asked.credential)
    return Way(variables={BASE_URL[1]: base_url} if base_url else {}, helper=True)


_BY_AWS = frozenset({"region", "base_url"})
_BY_GOOGLE = frozenset({"region", "project", "base_url"})
_WAYS: Mapping[Service | None, _To] = {
    None: _To(_usual),
    Service.CLAUDE: _To(_usual),
    Service.CLAUDE_LOGIN: _To(claude_api),
    Service.AWS: _To(bedrock, _BY_AWS, frozenset({"aws-container"})),
    Service.BEDROCK: _To(bedrock, _BY_AWS, frozenset({"helper"})),
    Service.GOOGLE: _To(vertex, _BY_GOOGLE, frozenset({"helper"})),
    Service.FOUNDRY: _To(foundry, frozenset({"base_url"}), frozenset({"helper", "azure-imds"})),
}
# Where a LiteLLM gateway has the protocol of each cloud (docs.litellm.ai, "Pass-through").
_THROUGH = {
    "bedrock": (_To(bedrock, _BY_AWS), "/bedrock"),
    "vertex": (_To(vertex, _BY_GOOGLE), "/vertex_ai/v1"),
}


def way_to(asked: Asked) -> Way:
    """Return what leads Claude Code to the service of the credential.

    Raise `fix-configuration` if it cannot use the credential, or if something is missing in our
    configuration; `bad-request` for options that do not fit.
    """
    credential = asked.credential
    service = credential.meaning.service
    way = _WAYS.get(service)
    if way is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential.name}" is for {service}, which Claude Code does not use by itself: '
            "name another credential, from credward status",
        )
    if asked.pass_through is not None:
        if service is not None:
            _refuse("pass-through", asked)
        return _through(asked, asked.pass_through)
    _check_options(asked, way)
    return way.lead(asked)


def _through(asked: Asked, cloud: PassThrough) -> Way:
    """Return what leads to a cloud through the gateway of the credential."""
    way, path = _THROUGH[cloud]
    _check_options(asked, way)
    base_url = base_url_of(asked.credential)
    if base_url is None and asked.base_url is None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{asked.credential.name}" has no base_url, the address of the gateway: write it into '
            "its settings (credward config edit)",
        )
    whole = asked.base_url or f"{base_url}{path}"
    return way.lead(msgspec.structs.replace(asked, base_url=whole))


def _check_options(asked: Asked, way: _To) -> None:
    """Raise `bad-request` for an option that says nothing on this *way*."""
    said = {"region": asked.region, "project": asked.project, "base_url": asked.base_url}
    for option, value in said.items():
        if value is not None and option not in way.options:
            _refuse(option.replace("_", "-"), asked)
    if asked.door is not None and asked.door not in way.doors:
        _refuse(f"with {asked.door}", asked)


def _refuse(option: str, asked: Asked) -> NoReturn:
    raise BrokerError(
        Kind.BAD_REQUEST,
        f'--{option} does not fit "{asked.credential.name}": leave it out',
    )
