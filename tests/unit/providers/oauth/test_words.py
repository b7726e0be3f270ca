"""The words of a request."""

from __future__ import annotations

import msgspec
import pytest

from credward.providers.oauth.words import narrowing, resource_of, token_type_name
from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings


@pytest.mark.parametrize(
    ("words", "asked", "fields"),
    [
        ({}, {}, {}),
        ({"scope": "a b"}, {}, {"scope": "a b"}),
        ({"scope": "a b"}, {"scopes": ("a",)}, {"scope": "a"}),
        ({"resource": "r"}, {}, {"resource": "r"}),
        ({"resource": "r"}, {"audience": "x"}, {"resource": "x"}),
        ({"audience": "u"}, {"audience": "x"}, {"audience": "x"}),
        ({"audience": "u", "resource": "r"}, {"audience": "x"}, {"audience": "x", "resource": "r"}),
        ({}, {"audience": "x"}, {"audience": "x"}),
    ],
)
def test_what_was_asked_for_comes_first(words, asked, fields):
    """Then what is configured."""
    settings = msgspec.convert({"issuer": "https://a.example", "client_id": "c"} | words, Settings)
    request = ProviderRequest(credential="gateway", settings=settings, **asked)

    assert narrowing(request, keep_scope=True) == fields
    kept = {name: value for name, value in fields.items() if name != "scope" or "scopes" in asked}
    assert narrowing(request, keep_scope=False) == kept
    # G10: the resource is a word of every token request, also of those that are not narrowed.
    assert resource_of(request) == {k: v for k, v in fields.items() if k == "resource"}


def test_token_types():
    """Short for those of the RFC, whole for all others."""
    assert token_type_name("jwt") == "urn:ietf:params:oauth:token-type:jwt"
    assert token_type_name("urn:x:y") == "urn:x:y"
