"""The endpoints on loopback: each `[[endpoints]]`, checked against the credentials.

Words only; `doors` listens.
"""

from __future__ import annotations

from collections.abc import Mapping

from credward.config.layers import Complaints, Layer
from credward.config.model import CredentialConfig, EndpointConfig
from credward.config.sections import EndpointSection
from credward.config.words import listed_sections
from credward.guess import guess
from credward.settings.doors import DoorKind

__all__ = ["read_endpoints", "unfit"]

# What a door hands out, by the kind of token that a credential mints (`settings.meaning`).
_KINDS: Mapping[DoorKind, str] = {
    "aws-container": "aws",
    "aws-imds": "aws",
    "gce": "bearer",
    "azure-app-service": "bearer",
    "azure-imds": "bearer",
}


def read_endpoints(
    layers: list[Layer], credentials: Mapping[str, CredentialConfig], complaints: Complaints
) -> tuple[EndpointConfig, ...]:
    """Return the endpoints of all layers; those of the user come after those of the system."""
    found: list[EndpointConfig] = []
    for at, section in listed_sections(layers, "endpoints", EndpointSection, complaints):
        one = (section.credential,) if section.credential else ()
        endpoint = EndpointConfig(
            door=section.door,
            credentials=(*one, *section.credentials),
            port=section.port,
            origin=at,
        )
        problem = _problem(endpoint, section, found, credentials, known=not complaints.errors)
        if problem is None:
            found.append(endpoint)
        else:
            complaints.errors.append(f"{at}: endpoints: {problem}")
    return tuple(found)


def _problem(
    endpoint: EndpointConfig,
    section: EndpointSection,
    others: list[EndpointConfig],
    credentials: Mapping[str, CredentialConfig],
    *,
    known: bool,
) -> str | None:
    """Return what is wrong with *endpoint*; *known*: *credentials* are all of them."""
    if bool(section.credential) == bool(section.credentials):
        return "name one in credential, or several in credentials, not both"
    for name in endpoint.credentials:
        credential = credentials.get(name)
        if credential is None:
            if known:
                return f'"{name}" is not a configured credential{guess(name, credentials)}'
        elif problem := unfit(endpoint.door, credential):
            return problem
    if len(set(endpoint.credentials)) < len(endpoint.credentials):
        return "a credential is named twice"
    for other in others:
        if endpoint.port is not None and endpoint.port == other.port:
            return f"port {endpoint.port} is taken by the endpoint at {other.origin}"
        if endpoint.name == other.name:
            return f"the same endpoint is at {other.origin}: give one of them another port"
    return None


def unfit(door: DoorKind, credential: CredentialConfig) -> str | None:
    """Return why *credential* cannot be handed out at *door*, as far as settings tell."""
    wanted, minted = _KINDS.get(door), credential.meaning.kind
    if wanted is None or minted in {None, wanted}:
        return None
    kinds = {"aws": "AWS keys", "bearer": "a bearer token"}
    return (
        f'"{credential.name}" is {kinds.get(minted, f"a token of kind {minted}")}, '
        f"and door {door} hands out {kinds[wanted]}"
    )
