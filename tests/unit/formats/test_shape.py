"""The check that a secret fits on one line."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError
from credward.formats.shape import one_line_secret
from credward.tokens import Secret, Token


@pytest.mark.parametrize("length", [1, 16_384])
def test_takes_up_to_sixteen_thousand_characters(length):
    """As many as the helper prints."""
    token = Token(secret=Secret("a" * length), issued_at=0, expires_at=None)

    assert len(one_line_secret(token, "a", "token")) == length


def test_says_which_credential_is_wrong():
    """The message names the credential and not the secret."""
    token = Token(secret=Secret("hunter2\n"), issued_at=0, expires_at=None)

    with pytest.raises(BrokerError, match='"a" minted') as caught:
        one_line_secret(token, "a", "token")

    assert "hunter2" not in caught.value.message
