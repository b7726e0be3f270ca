"""Assertions, as a server verifies them."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.oauth.assertions import sign_assertion
from credward.tokens import Secret
from fakes.io import NOW

RSA = rsa.generate_private_key(65537, 2048)


def pem(key, encryption=None):
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()
    ).decode()


def sign(text, **more):
    words = {"issuer": "c", "subject": "s", "audience": "https://a.example", "now": NOW}
    return sign_assertion("gateway", Secret(text), **words | more)


@pytest.mark.parametrize(
    ("key", "algorithm", "accepted"),
    [
        (RSA, "RS256", ()),
        (RSA, "RS256", ("PS256", "RS256")),
        (RSA, "PS256", ("PS256", "ES256")),
        (ec.generate_private_key(ec.SECP256R1()), "ES256", ()),
        (ec.generate_private_key(ec.SECP384R1()), "ES384", ()),
        (ec.generate_private_key(ec.SECP521R1()), "ES512", ()),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA", ()),
    ],
)
def test_verifies_with_the_public_key(key, algorithm, accepted):
    """By the algorithm that goes with it."""
    text = sign(pem(key), key_id="k1", accepted=accepted)
    claims = jwt.decode(
        text,
        key.public_key(),
        algorithms=[algorithm],
        audience="https://a.example",
        options={"verify_iat": False, "require": ["iss", "sub", "aud", "exp", "iat", "jti"]},
    )

    assert jwt.get_unverified_header(text)["kid"] == "k1"
    assert (claims["iss"], claims["sub"]) == ("c", "s")
    assert (claims["iat"], claims["exp"]) == (NOW, NOW + 240)


def test_each_is_presented_once():
    """`jti` differs, and no kid is made up."""
    texts = [sign(pem(RSA)) for _ in range(2)]
    names = [jwt.decode(text, options={"verify_signature": False})["jti"] for text in texts]

    assert names[0] != names[1]
    assert "kid" not in jwt.get_unverified_header(texts[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        canary("key"),
        pem(RSA, BestAvailableEncryption(b"word")),
        pem(rsa.generate_private_key(65537, 1024)),
        pem(ec.generate_private_key(ec.SECP256K1())),
        pem(dsa.generate_private_key(1024)),
    ],
    ids=["empty", "no-pem", "password", "short-rsa", "curve", "dsa"],
)
def test_keys_that_cannot_sign(text):
    """Without a word of them."""
    with pytest.raises(BrokerError, match="private key") as caught:
        sign(text)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert MARK not in caught.value.message
    assert caught.value.__cause__ is None
