"""Signs a JWT with our own key: for the demo, and for gateways that trust that key.

The key comes as the grant (`store.signing_keys` makes and publishes it); nothing is dialled.
"""

from __future__ import annotations

import base64
import hashlib
import uuid

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from credward.errors import BrokerError, Kind
from credward.providers.provider import Io, ProviderRequest
from credward.settings.local import Settings
from credward.tokens import Secret, Token

__all__ = ["LocalProvider"]


class LocalProvider:
    """Mints ES256 tokens that live as long as the settings say."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Sign the claims that follow from the settings and from what was asked."""
        settings = token_request.settings
        assert isinstance(settings, Settings)
        key = _read_key(token_request)
        # JWT times are whole seconds: rounded down, so that no verifier's clock finds it too young.
        issued_at = int(io.now())
        expires_at = int(issued_at + settings.lifetime)
        token_name = uuid.uuid4().hex
        audience = token_request.audience or settings.audience
        claims = settings.claims | {
            "iss": settings.issuer,
            "sub": settings.subject or token_request.credential,
            "iat": issued_at,
            "nbf": issued_at,
            "exp": expires_at,
            "jti": token_name,
        }
        if audience:
            claims["aud"] = audience
        if token_request.scopes:
            claims["scope"] = " ".join(token_request.scopes)
        return Token(
            secret=Secret(
                jwt.encode(claims, key, algorithm="ES256", headers={"kid": _thumbprint(key)})
            ),
            issued_at=float(issued_at),
            expires_at=float(expires_at),
            audience=audience,
            upstream_id=token_name,
        )


def _read_key(token_request: ProviderRequest) -> EllipticCurvePrivateKey:
    if token_request.grant is not None:
        try:
            key = load_pem_private_key(token_request.grant.reveal().encode(), password=None)
        except ValueError:
            key = None
        if isinstance(key, EllipticCurvePrivateKey) and key.curve.name == "secp256r1":
            return key
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{token_request.credential}" has no usable signing key (a P-256 key in PEM): '
        "run credward doctor",
    )


def _thumbprint(key: EllipticCurvePrivateKey) -> str:
    """Return the key's name by RFC 7638, under which the published key set lists it."""
    numbers = key.public_key().public_numbers()
    members = {
        "crv": "P-256",
        "kty": "EC",
        "x": _encode(numbers.x.to_bytes(32, "big")),
        "y": _encode(numbers.y.to_bytes(32, "big")),
    }
    # The RFC wants the members sorted and no white space; they stand sorted above.
    return _encode(hashlib.sha256(msgspec.json.encode(members)).digest())


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
