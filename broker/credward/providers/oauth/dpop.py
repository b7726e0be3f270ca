"""Proofs that the sender holds a key (RFC 9449), by PyJWT.

Which requests carry one, and the repeat with the server's nonce, is `client`'s job.
"""

from __future__ import annotations

import base64
import uuid
from urllib.parse import urlsplit, urlunsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

__all__ = ["ProofKey"]


class ProofKey:
    """A P-256 key, made here and kept with the grant; the server sees its public half alone."""

    def __init__(self, key: EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> ProofKey:
        """Make a new one."""
        return cls(generate_private_key(SECP256R1()))

    @classmethod
    def load(cls, text: str) -> ProofKey:
        """Read what `export` wrote; raise `ValueError` for anything else."""
        try:
            key = load_pem_private_key(text.encode(), password=None)
        except TypeError as error:
            raise ValueError("the key has a password") from error
        if not isinstance(key, EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise ValueError("the key is not on P-256")
        return cls(key)

    def export(self) -> str:
        """Return the private key as PEM, for the sealed grant."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def prove(self, method: str, url: str, *, now: float, nonce: str | None = None) -> str:
        """Return the proof for one request (RFC 9449 section 4.2); *now* is in Unix seconds."""
        parts = urlsplit(url)
        numbers = self._key.public_key().public_numbers()
        claims: dict[str, object] = {
            "jti": uuid.uuid4().hex,
            "htm": method,
            "htu": urlunsplit((parts.scheme, parts.netloc, parts.path, "", "")),
            "iat": int(now),
        }
        if nonce is not None:
            claims["nonce"] = nonce
        public = {
            "kty": "EC",
            "crv": "P-256",
            "x": _encode(numbers.x.to_bytes(32, "big")),
            "y": _encode(numbers.y.to_bytes(32, "big")),
        }
        return jwt.encode(
            claims, self._key, algorithm="ES256", headers={"typ": "dpop+jwt", "jwk": public}
        )


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
