"""The words by which a request is narrowed, and the long names of token types.

Pure; used by mints and logins alike.
"""

from __future__ import annotations

from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings

__all__ = ["narrowing", "resource_of", "token_type_name"]


def narrowing(token_request: ProviderRequest, *, keep_scope: bool) -> dict[str, str]:
    """Return `scope`, `resource` and `audience` (RFC 8693 section 2.1) as form fields.

    An audience that a caller asked for takes the place of `resource` where the settings name that
    alone, else of `audience`. *keep_scope*: the scope of the settings is meant where none was asked
    for.
    """
    settings = token_request.settings
    assert isinstance(settings, Settings)
    audience = settings.audience if _is_resource(token_request) else token_request.audience
    scope = " ".join(token_request.scopes) or (settings.scope if keep_scope else None)
    fields = {"scope": scope, "audience": audience or settings.audience}
    return resource_of(token_request) | {name: value for name, value in fields.items() if value}


def resource_of(token_request: ProviderRequest) -> dict[str, str]:
    """Return `resource`, which every authorization and token request names (RFC 8707 section 2)."""
    settings = token_request.settings
    assert isinstance(settings, Settings)
    asked = token_request.audience if _is_resource(token_request) else None
    resource = asked or settings.resource
    return {"resource": resource} if resource else {}


def _is_resource(token_request: ProviderRequest) -> bool:
    """Whether the audience that a caller asks for stands for the resource of the settings."""
    settings = token_request.settings
    assert isinstance(settings, Settings)
    return settings.resource is not None and settings.audience is None


def token_type_name(word: str) -> str:
    """Return the URN of a token type (RFC 8693 section 3); one that is a URN already is kept."""
    return word if ":" in word else f"urn:ietf:params:oauth:token-type:{word}"
