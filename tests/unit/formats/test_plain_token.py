"""The bare token."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError
from credward.formats.plain_token import shape_token
from credward.formats.shape import ShapeRequest
from credward.tokens import Secret, Token


def test_is_the_token_and_a_newline():
    """Nothing else, for Claude Code takes all of it."""
    token = Token(secret=Secret("eyJ.a-b_c"), issued_at=0, expires_at=None)
    shaped = shape_token(token, ShapeRequest(credential="a", now=0.0))

    assert shaped.body == b"eyJ.a-b_c\n"
    assert shaped.content_type == "text/plain"


def test_refuses_a_space():
    """A token with a space would be two words to whoever reads it."""
    token = Token(secret=Secret("a b"), issued_at=0, expires_at=None)

    with pytest.raises(BrokerError, match="with a space"):
        shape_token(token, ShapeRequest(credential="a", now=0.0))
