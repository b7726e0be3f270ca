"""The words by which a request is narrowed, and the long names of token types.

Pure; used by mints and logins alike.
"""

from __future__ import annotations

from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings

__all__ = ["narrowing", "token_type_name"]


def narrowing(token_request: ProviderRequest, *, keep_scope: bool) -> dict[str, str]:
    """Return `scope`, `resource` (RFC 8707) and `audience` (RFC 8693 section 2.1) as form fields.

    An audience that a caller asked for takes the place of `resource` where the settings name that
    alone, else of `audience`. *keep_scope*: the scope of the settings is meant where none was asked
    for.
    """
    settings = token_request.settings
    assert isinstance(settings, Settings)
    resource, audience = settings.resource, settings.audience
    if token_request.audience is not None:
        if resource is not None and audience is None:
            resource = token_request.audience
        else:
            audience = token_request.audience
    scope = " ".join(token_request.scopes) or (settings.scope if keep_scope else None)
    fields = {"scope": scope, "resource": resource, "audience": audience}
    return {name: value for name, value in fields.items() if value}


def token_type_name(word: str) -> str:
    """Return the URN of a token type (RFC 8693 section 3); one that is a URN already is kept."""
    return word if ":" in word else f"urn:ietf:params:oauth:token-type:{word}"
