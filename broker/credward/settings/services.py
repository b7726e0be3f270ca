"""Which service the token of a credential is for, as far as its settings say.

What a client of that service has to be told is for who sets it up (`cli.setup`).
"""

from __future__ import annotations

import enum
from typing import Protocol, runtime_checkable

import msgspec

__all__ = ["NamesService", "Service", "service_of"]


class Service(enum.StrEnum):
    """A service that takes the token, and to any other server it is of no use or a leak."""

    CLAUDE = "the Claude API"
    CLAUDE_LOGIN = "a login at the Claude Console"
    AWS = "AWS"
    BEDROCK = "Amazon Bedrock"
    CLAUDE_ON_AWS = "the Claude Platform on AWS"
    REGISTRY = "a container registry"
    CLUSTER = "a Kubernetes cluster"
    GOOGLE = "Google Cloud"
    FOUNDRY = "Microsoft Foundry"
    MICROSOFT = "Microsoft's own services"
    VAULT = "Vault itself"


@runtime_checkable
class NamesService(Protocol):
    """Settings that say which service their token is for."""

    @property
    def service(self) -> Service | None:
        """The service; None: the settings do not say, so a base URL has to."""
        ...


def service_of(settings: msgspec.Struct) -> Service | None:
    """Return the service that the token of *settings* is for, None where they do not say."""
    return settings.service if isinstance(settings, NamesService) else None
