"""The token as a record."""

from __future__ import annotations

import json

import pytest

from credward.formats.json_record import shape_json
from credward.formats.shape import ShapeRequest
from credward.tokens import Secret, Token


@pytest.mark.parametrize(("expires_at", "shown"), [(None, None), (1800000000.9, 1800000000)])
def test_holds_the_token_and_its_times(expires_at, shown):
    """Whole seconds, never later than the truth; an unknown end is null."""
    token = Token(secret=Secret('a"b'), kind="api-key", issued_at=1.9, expires_at=expires_at)
    shaped = shape_json(token, ShapeRequest(credential="gateway", now=0.0))

    assert shaped.content_type == "application/json"
    assert json.loads(shaped.body) == {
        "version": 1,
        "credential": "gateway",
        "token": 'a"b',
        "kind": "api-key",
        "issued_at": 1,
        "expires_at": shown,
    }
