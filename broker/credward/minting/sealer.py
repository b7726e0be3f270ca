"""Tokens sealed in memory: AES-256-GCM under a key that is never written.

Protects dumps, swap and stray copies, but not against somebody who reads the whole live process
(see the threat model). `issuer` decides when to open a token.
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Sealer"]

# NIST SP 800-38D: 96 bits, new random ones for each sealing.
_NONCE = 12


class Sealer:
    """Seals under one random key that lives and dies with the process."""

    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(bit_length=256))

    def seal(self, plain: bytes | bytearray, name: str) -> bytes:
        """Return *plain* sealed so that it opens only under *name*; the caller wipes *plain*."""
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, plain, name.encode())

    def open(self, sealed: bytes, name: str) -> bytearray:
        """Return the plain bytes in a buffer that the caller wipes."""
        plain = bytearray(len(sealed) - _NONCE - 16)
        self._cipher.decrypt_into(sealed[:_NONCE], sealed[_NONCE:], name.encode(), plain)
        return plain
