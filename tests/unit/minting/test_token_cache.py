"""Tokens in memory are sealed, and found by key and id."""

from __future__ import annotations

import pytest

from credward.lifecycle.vocabulary import TokenKey
from credward.minting.sealer import Sealer
from credward.minting.token_cache import MemoryTokens, TokenFacts

KEY, OTHER = TokenKey("one", "e"), TokenKey("two", "e")
FACTS = TokenFacts(
    token_id="0" * 16,
    kind="bearer",
    issued_at=1.0,
    expires_at=2.0,
    audience="aud",
    upstream_id="jti",
    warning="soon",
    minted_at=1.5,
)


def test_a_token_is_sealed_and_its_text_wiped() -> None:
    """What is held has the facts and not the text."""
    tokens, body = MemoryTokens(Sealer()), bytearray(b"token-1")
    held = tokens.put(KEY, FACTS, body)

    assert body == bytearray(7)
    assert b"token-1" not in held.sealed
    assert tokens.open(held) == b"token-1"
    assert (held.token_id, held.expires_at, held.warning) == ("0" * 16, 2.0, "soon")
    assert tokens.get(KEY, held.token_id) is held


def test_the_same_token_of_two_keys_is_two() -> None:
    """Dropping one leaves the other; dropping what is not there is no error."""
    tokens = MemoryTokens(Sealer())
    for key in (KEY, OTHER):
        tokens.put(key, FACTS, bytearray(b"token-1"))
    for _ in range(2):
        tokens.drop(KEY, FACTS.token_id)

    assert [key for key, _ in tokens.all()] == [OTHER]
    assert list(tokens.restore()) == []
    with pytest.raises(KeyError):
        tokens.get(KEY, FACTS.token_id)
    tokens.clear()
    assert len(tokens) == 0
