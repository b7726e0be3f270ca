"""Secrets that cannot be printed, and the values around them."""

import copy
import hashlib
import json
import pickle

import pytest

from credward.tokens import Secret, Token, TokenRequest


def test_h3_a_secret_has_one_way_out() -> None:
    """H3: no repr, str, format, pickle, JSON or comparison shows it."""
    secret = Secret("canary-value")

    assert "canary" not in f"{secret} {secret!r} {secret!s} {secret:>40} {[secret]} {(secret,)}"
    assert "canary" not in "%s" % secret  # noqa: UP031
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)
    with pytest.raises(TypeError):
        json.dumps({"secret": secret})
    assert secret != Secret("canary-value")
    assert secret.reveal() == "canary-value"


def test_a_token_id_is_a_short_hash() -> None:
    """16 hex digits of SHA-256: a name for logs, no way back."""
    digest = hashlib.sha256(b"value").hexdigest()

    assert Secret("value").token_id() == digest[:16]


def test_a_token_does_not_print_its_secret() -> None:
    """Dataclass repr goes through the secret's own."""
    token = Token(secret=Secret("canary-value"), issued_at=0, expires_at=None)

    assert "canary" not in repr(token)


def test_an_ask_without_words_means_the_default_shape() -> None:
    """Format token, four seconds, nothing said about lifetimes."""
    asked = TokenRequest(credential="a")

    assert (asked.format, asked.timeout, asked.min_remaining, asked.cache_ttl) == (
        "token",
        4.0,
        None,
        None,
    )
