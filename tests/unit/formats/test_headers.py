"""The token as HTTP headers."""

from __future__ import annotations

import json

import pytest

from credward.formats.headers import shape_headers
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
    ],
)
def test_the_header_follows_kind_and_configuration(kind, header, expected):
    """Authorization has a scheme, any other header holds the bare token."""
    token = Token(secret=Secret("u:p"), kind=kind, issued_at=0, expires_at=None)
    shaped = shape_headers(token, ShapeRequest(credential="a", header=header))

    assert json.loads(shaped.body) == expected
    assert shaped.content_type == "application/json"
