"""JWTs of our own."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from credward.errors import BrokerError, Kind
from credward.providers.local import LocalProvider
from credward.providers.provider import ProviderRequest
from credward.settings.local import Settings
from credward.store.signing_keys import load_or_create, public_jwk
from credward.tokens import Secret
from fakes.io import NOW, FakeIo


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """Return a signing key as the daemon keeps it."""
    return load_or_create(tmp_path_factory.mktemp("state"), "gateway")


def mint(key, settings=None, *, now=NOW, **narrowing):
    """Mint once for credential `gateway`."""
    request = ProviderRequest(
        credential="gateway", settings=settings or Settings(), grant=key, **narrowing
    )
    return LocalProvider().mint(request, FakeIo(time=now))


def verify(token, key, **options):
    """Return the claims as somebody sees them who has our published keys only."""
    jwk = public_jwk(key)
    assert jwt.get_unverified_header(token.secret.reveal())["kid"] == jwk["kid"]
    return jwt.decode(
        token.secret.reveal(),
        jwt.PyJWK(jwk).key,
        algorithms=["ES256"],
        options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, **options},
        audience=options.get("audience"),
    )


def test_the_published_key_verifies_it(key):
    """All claims follow from settings and time."""
    token = mint(key, now=NOW + 0.75)

    claims = verify(token, key)
    assert claims == {
        "iss": "https://credward.local",
        "sub": "gateway",
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
        "jti": token.upstream_id,
    }
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 3600)
    assert (token.kind, token.audience) == ("bearer", None)


def test_settings_say_who_and_how_long(key):
    """And add claims."""
    settings = Settings(
        lifetime=60, issuer="https://i", subject="me", audience="a", claims={"team": ["x"]}
    )

    claims = verify(mint(key, settings), key, audience="a")

    assert claims["team"] == ["x"]
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("https://i", "me", "a")
    assert claims["exp"] - claims["iat"] == 60


def test_a_narrower_request_narrows(key):
    """Its audience in place of the configured one, its scopes as RFC 9068 writes them."""
    settings = Settings(audience="wide")
    token = mint(key, settings, audience="narrow", scopes=("read", "write"))

    claims = verify(token, key, audience="narrow")

    assert (claims["aud"], claims["scope"]) == ("narrow", "read write")
    assert token.audience == "narrow"


def test_no_two_tokens_are_the_same(key):
    """Nothing is cached; each has a name of its own."""
    assert mint(key).upstream_id != mint(key).upstream_id


def pem(key):
    """Return a private key as text."""
    return Secret(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()
    )


@pytest.mark.parametrize(
    "grant",
    [
        None,
        Secret(""),
        Secret("canary"),
        pem(ec.generate_private_key(ec.SECP384R1())),
        pem(rsa.generate_private_key(65537, 2048)),
    ],
    ids=["none", "empty", "garbage", "another curve", "rsa"],
)
def test_another_key_is_a_configuration_error(grant):
    """Nothing of it is shown."""
    with pytest.raises(BrokerError, match="no usable signing key") as caught:
        mint(grant)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert "canary" not in caught.value.message
