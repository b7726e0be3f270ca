"""Proofs of possession, as a server verifies them."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credward.providers.oauth.dpop import ProofKey
from fakes.io import NOW


def verify(proof):
    header = jwt.get_unverified_header(proof)
    key = jwt.PyJWK(header["jwk"], algorithm="ES256")
    claims = jwt.decode(proof, key, algorithms=["ES256"], options={"verify_iat": False})
    return header, claims


def test_a_proof_names_its_request():
    """RFC 9449 section 4.2: no query, no fragment, no private part of the key."""
    key = ProofKey.generate()
    header, claims = verify(key.prove("POST", "https://a.example/t?x=1", now=NOW + 0.7))

    assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")
    assert set(header["jwk"]) == {"kty", "crv", "x", "y"}
    jti = claims.pop("jti")
    assert len(jti) >= 16
    assert claims == {"htm": "POST", "htu": "https://a.example/t", "iat": int(NOW)}


def test_each_is_new_and_carries_the_nonce():
    """A server takes each once."""
    key = ProofKey.generate()
    _, first = verify(key.prove("POST", "https://a.example", now=NOW, nonce="n"))
    _, second = verify(key.prove("POST", "https://a.example", now=NOW, nonce="n"))

    assert first["nonce"] == "n"
    assert first["jti"] != second["jti"]


def test_a_key_is_read_back():
    """It lives as long as the grant."""
    key = ProofKey.generate()
    again = ProofKey.load(key.export())
    header, _ = verify(again.prove("POST", "https://a.example", now=NOW))

    assert header["jwk"] == verify(key.prove("GET", "https://a.example", now=NOW))[0]["jwk"]


def test_other_keys_are_refused():
    """What was kept is not what was made."""
    others = [ec.generate_private_key(ec.SECP384R1()), rsa.generate_private_key(65537, 2048)]
    texts = [
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        for key in others
    ]
    for text in ("", "x", *texts):
        with pytest.raises(ValueError):
            ProofKey.load(text)
