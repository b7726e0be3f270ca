"""The token as HTTP headers."""

from __future__ import annotations

import json

import pytest

from credward.errors import BrokerError, Kind
from credward.formats.headers import merge_headers, shape_headers
from credward.formats.shape import ShapeRequest
from credward.tokens import Secret, Token


@pytest.mark.parametrize(
    ("kind", "header", "expected"),
    [
        ("bearer", None, {"Authorization": "Bearer u:p"}),
        ("api-key", None, {"x-api-key": "u:p"}),
        ("basic", None, {"Authorization": "Basic dTpw"}),
        ("bearer", "authorization", {"authorization": "Bearer u:p"}),
        ("bearer", "X-Token", {"X-Token": "u:p"}),
        ("api-key", "api-key", {"api-key": "u:p"}),
        ("api-key", "Authorization", {"Authorization": "Bearer u:p"}),
        ("basic", "Proxy-Authorization", {"Proxy-Authorization": "Basic dTpw"}),
        ("api-key", "Proxy-Authorization", {"Proxy-Authorization": "Bearer u:p"}),
        ("bearer", "X-Litellm-Key: Bearer", {"X-Litellm-Key": "Bearer u:p"}),
        ("bearer", "Authorization: token", {"Authorization": "token u:p"}),
    ],
)
def test_the_header_follows_kind_and_configuration(kind, header, expected):
    """Authorization has a scheme, any other header holds the bare token."""
    token = Token(secret=Secret("u:p"), kind=kind, issued_at=0, expires_at=None)
    shaped = shape_headers(token, ShapeRequest(credential="a", now=0.0, header=header))

    assert json.loads(shaped.body) == expected
    assert shaped.content_type == "application/json"


def part(name: str, header: str | None = None, *headers: tuple[str, str], secret: str = "s"):
    token = Token(secret=Secret(secret), kind="bearer", issued_at=0, expires_at=None)
    return token, ShapeRequest(credential=name, now=0.0, header=header, headers=headers)


def test_what_the_service_wants_besides_goes_with_it():
    """Such as a beta of Anthropic, or the workspace of a key."""
    shaped = shape_headers(*part("a", None, ("anthropic-beta", "oauth-2025-04-20")))

    assert json.loads(shaped.body) == {
        "Authorization": "Bearer s",
        "anthropic-beta": "oauth-2025-04-20",
    }


def test_several_fill_one_object():
    """A token for the service, and a key for the proxy before it; what is equal comes once."""
    beta = ("anthropic-beta", "b")
    shaped = merge_headers(
        [part("vertex", None, beta), part("litellm", "x-litellm-api-key", beta, secret="k")]
    )

    assert json.loads(shaped.body) == {
        "Authorization": "Bearer s",
        "anthropic-beta": "b",
        "x-litellm-api-key": "k",
    }
    assert isinstance(shaped.body, bytearray)


@pytest.mark.parametrize(
    ("first", "second", "named"),
    [
        (None, None, "b"),
        (None, "authorization", "a"),
        ("Authorization", None, "b"),
        ("X-Key", "x-key", "b"),
    ],
)
def test_two_that_fill_the_same_header_are_an_error(first, second, named):
    """Both are named, the header, and the setting to change: where none is yet, if possible."""
    with pytest.raises(BrokerError) as caught:
        merge_headers([part("a", first), part("b", second, secret="canary-key")])

    header = second or "Authorization"
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert caught.value.message == (
        f'"a" and "b" both fill the header {header}: '
        f"set header in [credentials.{named}] to another one"
    )
