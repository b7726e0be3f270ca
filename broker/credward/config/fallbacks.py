"""Which credentials may replace each other: checked when the configuration is read.

`issuing.issuer` tries them in turn; `lifecycle.failover` decides when to skip one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from credward.config.layers import Complaints
from credward.config.model import CredentialConfig
from credward.guess import guess

__all__ = ["check_fallbacks"]


def check_fallbacks(credentials: Mapping[str, CredentialConfig], complaints: Complaints) -> None:
    """Report every fallback that does not exist, leads back, or is of another kind."""
    for credential in credentials.values():
        for text in _complaints(credential, credentials):
            complaints.errors.append(f'{credential.origin}: "{credential.name}" {text}')


def _complaints(
    credential: CredentialConfig, credentials: Mapping[str, CredentialConfig]
) -> Iterator[str]:
    for name in credential.fallback:
        other = credentials.get(name)
        if name == credential.name:
            yield "falls back on itself"
        elif other is None:
            near = guess(name, credentials)
            yield f'falls back on "{name}", which is not configured{near}'
        else:
            yield from _differences(credential, other)
            if _leads_to(other, credential.name, credentials, set()):
                yield f'falls back on itself, through "{name}"'


def _differences(credential: CredentialConfig, other: CredentialConfig) -> Iterator[str]:
    mine, others = credential.meaning.kind, other.meaning.kind
    if mine is not None and others is not None and mine != others:
        yield (
            f'is of kind {mine} and falls back on "{other.name}" of kind {others}: '
            "only credentials of the same kind can replace each other"
        )
    if set(credential.base_urls) != set(other.base_urls):
        yield f'falls back on "{other.name}", which has other base_urls: give both the same'


def _leads_to(
    start: CredentialConfig,
    goal: str,
    credentials: Mapping[str, CredentialConfig],
    seen: set[str],
) -> bool:
    if goal in start.fallback:
        return True
    seen.add(start.name)
    return any(
        _leads_to(credentials[name], goal, credentials, seen)
        for name in start.fallback
        if name in credentials and name not in seen
    )
