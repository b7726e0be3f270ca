"""Signs the JWTs by which a client says who it is, or for whom it asks (RFC 7523), by PyJWT.

Where they are put into a request is `client`'s job.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from credward.errors import BrokerError, Kind
from credward.tokens import Secret

__all__ = ["sign_assertion"]

# Presented at once; room for clocks that differ, below the five minutes that some servers allow
# (seconds).
_LIFETIME = 240
_CURVES = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


def sign_assertion(
    credential: str,
    private_key: Secret,
    *,
    issuer: str,
    subject: str,
    audience: str,
    now: float,
    key_id: str | None = None,
    accepted: Sequence[str] = (),
) -> str:
    """Return a JWT by RFC 7523 section 3, signed with *private_key* (PEM); *now* in Unix seconds.

    *accepted*: the algorithms that the server lists, none where it lists none. Raise
    `fix-configuration` for a key that cannot sign.
    """
    key = _load(credential, private_key)
    algorithm = _algorithm(key, accepted)
    if algorithm is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" has a private key of the wrong type: '
            "use RSA of 2048 bits or more, P-256, P-384, P-521 or Ed25519",
        )
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": int(now),
        "exp": int(now) + _LIFETIME,
        "jti": uuid.uuid4().hex,
    }
    headers = None if key_id is None else {"kid": key_id}
    return jwt.encode(claims, key, algorithm=algorithm, headers=headers)


def _load(credential: str, private_key: Secret) -> Any:
    try:
        return load_pem_private_key(private_key.reveal().encode(), password=None)
    except (ValueError, TypeError):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" has no usable private key: '
            "point private_key to a PEM file without a password",
        ) from None


def _algorithm(key: object, accepted: Sequence[str]) -> str | None:
    match key:
        case EllipticCurvePrivateKey():
            return _CURVES.get(key.curve.name)
        case Ed25519PrivateKey():
            return "EdDSA"
        case RSAPrivateKey() if key.key_size >= 2048:
            # RS256 is what every server has; the other one only where it alone is listed.
            return "PS256" if "PS256" in accepted and "RS256" not in accepted else "RS256"
        case _:
            return None
