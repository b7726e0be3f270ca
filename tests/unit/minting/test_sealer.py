"""Tokens sealed in memory."""

import pytest
from cryptography.exceptions import InvalidTag

from credward.minting.sealer import Sealer


def test_what_was_sealed_opens_under_its_name_only() -> None:
    """The name is bound in: a token cannot be passed off as another."""
    sealer = Sealer()
    sealed = sealer.seal(bytearray(b"secret"), "a")

    assert sealer.open(sealed, "a") == bytearray(b"secret")
    with pytest.raises(InvalidTag):
        sealer.open(sealed, "b")


def test_each_sealing_is_another_text() -> None:
    """A fresh nonce each time; nothing of the plain text shows."""
    sealer = Sealer()
    first, second = sealer.seal(b"secret", "a"), sealer.seal(b"secret", "a")

    assert first != second
    assert b"secret" not in first


def test_changed_bytes_and_other_processes_keys_do_not_open() -> None:
    """Authenticated, under a key of this process alone."""
    sealer = Sealer()
    sealed = bytearray(sealer.seal(b"secret", "a"))
    sealed[-1] ^= 1
    with pytest.raises(InvalidTag):
        sealer.open(bytes(sealed), "a")
    with pytest.raises(InvalidTag):
        Sealer().open(sealer.seal(b"secret", "a"), "a")

    assert sealer.open(sealer.seal(b"", "a"), "a") == bytearray()
