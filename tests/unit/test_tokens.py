"""Secrets that cannot print, and the values around them."""

from __future__ import annotations

import copy
import hashlib
import json
import pickle
import traceback

import pytest

from canaries import MARK, canary
from credward.tokens import Secret, Token, TokenRequest


@pytest.mark.parametrize(
    "show",
    [repr, str, ascii, "{}".format, "{!r:>40}".format, "%s".__mod__, lambda each: f"{each:s}"],
)
def test_a_secret_cannot_be_printed(show):
    """H3: whichever way it is turned into text, alone or inside a token."""
    secret = Secret(canary("printed"))
    token = Token(secret=secret, issued_at=0.0, expires_at=None)

    assert MARK not in show(secret)
    assert MARK not in repr(token)
    assert MARK not in repr({"token": [token]})


def test_a_secret_cannot_be_pickled_or_serialised():
    """Neither by pickle, nor by a copy through it, nor as JSON."""
    secret = Secret(canary("pickled"))

    for leave in (pickle.dumps, copy.deepcopy, json.dumps):
        with pytest.raises(TypeError) as caught:
            leave(secret)
        assert MARK not in str(caught.value)


def test_a_traceback_with_locals_does_not_show_it():
    """H3: error reporters print local variables by `repr`."""
    token = Token(secret=Secret(canary("local")), issued_at=0.0, expires_at=None)
    try:
        raise ValueError("something else")
    except ValueError as error:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)

    assert "token" in "".join(shown.format())
    assert MARK not in "".join(shown.format())
    assert token.secret.reveal().startswith(MARK)


def test_secrets_do_not_compare():
    """Equality would be a comparison that is not constant in time; identity is enough."""
    one, other = Secret("same"), Secret("same")

    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_the_id_of_a_token_is_one_way_and_short():
    """16 hex digits of SHA-256, the same wherever it is computed."""
    assert Secret("token").token_id() == hashlib.sha256(b"token").hexdigest()[:16]


def test_a_token_request_asks_for_little_by_default():
    """The plain token of a credential, within the time that harnesses give a helper."""
    token_request = TokenRequest(credential="gateway")

    assert (token_request.format, token_request.timeout) == ("token", 4.0)
    assert (token_request.min_remaining, token_request.client_flags) == (None, frozenset())
