"""Which service the token of a credential is for, if its settings say so.

`cli.setup` knows how to configure a client of that service.
"""

from __future__ import annotations

import enum

__all__ = ["Service"]


class Service(enum.StrEnum):
    """A service that takes the token; at any other server it is useless or a leak."""

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
