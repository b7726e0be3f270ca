"""Provider `oauth` against a real OpenID provider, in this process, over the real transport."""

from __future__ import annotations

import json
import time

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credward.errors import BrokerError, Kind
from credward.providers.oauth.provider import OAuthProvider
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from credward.settings.oauth import Settings
from credward.tokens import Secret
from fakes.login_io import FakeLoginIo
from integration.oidc import OidcProvider, User

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OidcProvider.missing() is not None, reason=str(OidcProvider.missing())),
]

SCOPE = "openid offline_access email"
KEY = ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def idp():
    with OidcProvider() as running:
        yield running


@pytest.fixture
def user():
    with User() as somebody:
        yield somebody


@pytest.fixture
def io(user):
    transport = Transport(NetworkSettings())
    yield FakeLoginIo(
        server=lambda request: transport.send(request, credential="gateway"),
        user=user.go,
        time=time.time(),
    )
    transport.close()


def request(idp, *, grant=None, scopes=(), secrets=None, **words):
    words = {"issuer": idp.issuer, "client_id": "credward", "scope": SCOPE} | words
    return ProviderRequest(
        credential="gateway",
        settings=msgspec.convert(words, Settings),
        grant=grant,
        scopes=scopes,
        secrets={name: Secret(value) for name, value in (secrets or {}).items()},
    )


def mint(idp, io, **words):
    return OAuthProvider().mint(request(idp, **words), io)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_browser_refresh_reuse(idp, io, host):
    """A login with PKCE, rotation at each mint; a token used twice ends it all, and one command helps."""
    grant = OAuthProvider().login(request(idp, redirect_host=host), io, "browser")
    assert grant.account == "alice@example.com"

    tokens = [mint(idp, io, grant=grant.secret)]
    for _ in range(3):
        tokens.append(mint(idp, io, grant=io.grants[-1].secret))
    assert len({token.secret.token_id() for token in tokens}) == 4
    assert len({kept.secret.token_id() for kept in io.grants}) == 4
    assert all(abs(token.expires_at - time.time() - 3600) < 30 for token in tokens)
    idp.wait_for("grant.success", grant_type="refresh_token")

    with pytest.raises(BrokerError) as caught:
        mint(idp, io, grant=grant.secret)
    assert caught.value.kind is Kind.LOGIN_REQUIRED
    idp.wait_for("grant.revoked")
    with pytest.raises(BrokerError, match=r"\(invalid_grant\)"):
        mint(idp, io, grant=io.grants[-1].secret)
    assert idp.count("server_error") == 0


def test_device(idp, io, user):
    """Polls while the user is elsewhere; then as any other grant."""
    polls = []

    def meanwhile():
        polls.append(idp.count("grant.error", error="authorization_pending"))
        if len(polls) == 3:
            user.go(io.codes[0][2])

    io.meanwhile = meanwhile
    grant = OAuthProvider().login(request(idp, grant_type="device_code"), io, "device")
    token = mint(idp, io, grant=grant.secret, grant_type="device_code")

    assert len(polls) == 3
    assert idp.count("grant.error", error="authorization_pending") == 2
    assert grant.account == "alice@example.com"
    assert token.expires_at > time.time()


def test_revocation(idp, io):
    """The refresh token is of no use afterwards."""
    grant = OAuthProvider().login(request(idp), io, "browser")
    OAuthProvider().revoke(request(idp, grant=grant.secret), io)

    with pytest.raises(BrokerError, match=r"needs a login \(invalid_grant\)"):
        mint(idp, io, grant=grant.secret)


def test_the_id_token(idp, io):
    """For gateways that want that one; verified with the server's keys."""
    grant = OAuthProvider().login(request(idp), io, "browser")
    token = mint(idp, io, grant=grant.secret, token="id")

    keys = jwt.PyJWKClient(f"{idp.issuer}/jwks")
    text = token.secret.reveal()
    claims = jwt.decode(
        text,
        keys.get_signing_key_from_jwt(text),
        algorithms=["RS256"],
        audience="credward",
        issuer=idp.issuer,
    )
    assert claims["email"] == "alice@example.com"
    assert token.expires_at == claims["exp"]


def test_a_resource_and_narrowed_scopes(idp, io):
    """A JWT for the one resource; fewer scopes where a caller asks for fewer."""
    words = {"resource": "https://api.example.com", "scope": f"{SCOPE} api"}
    grant = OAuthProvider().login(request(idp, **words), io, "browser")
    token = mint(idp, io, grant=grant.secret, scopes=("api",), **words)

    claims = jwt.decode(token.secret.reveal(), options={"verify_signature": False})
    assert (claims["aud"], claims["scope"]) == ("https://api.example.com", "api")
    assert token.upstream_id == claims["jti"]
    assert token.audience == "https://api.example.com"


@pytest.mark.parametrize("method", ["browser", "device"])
def test_g10_each_token_request_names_the_resource(idp, io, user, method):
    """The server refuses one that does not (RFC 8707 section 2.2): the code's, the poll's, the refresh."""
    words = {"resource": "https://api.example.com", "scope": f"{SCOPE} api"}
    io.meanwhile = lambda: user.go(io.codes[0][2])
    grant = OAuthProvider().login(request(idp, **words), io, method)
    token = mint(idp, io, grant=grant.secret, **words)

    claims = jwt.decode(token.secret.reveal(), options={"verify_signature": False})
    assert claims["aud"] == "https://api.example.com"
    assert idp.wait_for("grant.success", grant_type="refresh_token")["resource"] == claims["aud"]


def test_g10_a_client_of_its_own_names_the_resource(idp, io):
    """In its only request."""
    words = {
        "client_id": "credward-basic",
        "client_secret": {"env": "S"},
        "grant_type": "client_credentials",
        "scope": "api",
        "resource": "https://api.example.com",
    }
    token = mint(idp, io, secrets={"client_secret": "basic-secret-0"}, **words)

    claims = jwt.decode(token.secret.reveal(), options={"verify_signature": False})
    assert claims["aud"] == "https://api.example.com"


def test_scopes_that_were_not_granted(idp, io):
    """A definite refusal: the grant is as good as before."""
    grant = OAuthProvider().login(request(idp), io, "browser")
    with pytest.raises(BrokerError, match="invalid_scope: correct scope") as caught:
        mint(idp, io, grant=grant.secret, scopes=("api",))

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert mint(idp, io, grant=grant.secret).expires_at > time.time()


@pytest.mark.parametrize("name", ["basic", "post"])
def test_client_credentials(idp, io, name):
    """By secret, the way to present it taken from the settings."""
    words = {
        "client_id": f"credward-{name}",
        "client_secret": {"env": "S"},
        "token_endpoint_auth_method": f"client_secret_{name}",
        "grant_type": "client_credentials",
        "scope": "api",
    }
    right = {"basic": "basic-secret-0", "post": "post-secret-00"}[name]
    token = mint(idp, io, secrets={"client_secret": right}, **words)
    assert token.expires_at > time.time()

    with pytest.raises(BrokerError, match="invalid_client") as caught:
        mint(idp, io, secrets={"client_secret": "wrong"}, **words)
    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_private_key_jwt(io):
    """The server verifies it, by the key of this name, for itself as the audience."""
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key())) | {"kid": "k1"}
    pem = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with OidcProvider(CLIENT_JWKS=json.dumps({"keys": [public]})) as idp:
        words = {
            "client_id": "credward-jwt",
            "private_key": {"env": "K"},
            "key_id": "k1",
            "grant_type": "client_credentials",
            "scope": "api",
            "secrets": {"private_key": pem},
        }
        first, second = mint(idp, io, **words), mint(idp, io, **words)

    assert first.secret.token_id() != second.secret.token_id()


@pytest.mark.parametrize("nonce", ["yes", "no"])
def test_dpop(io, nonce):
    """The refresh token of a public client is bound to the key; without it, it is worth nothing."""
    with OidcProvider(DPOP_NONCE=nonce) as idp:
        grant = OAuthProvider().login(request(idp, dpop=True), io, "browser")
        mint(idp, io, grant=grant.secret, dpop=True)
        mint(idp, io, grant=io.grants[-1].secret, dpop=True)

        stolen = json.loads(io.grants[-1].secret.reveal())["refresh_token"]
        with pytest.raises(BrokerError, match="invalid_grant"):
            mint(idp, io, grant=Secret(stolen))

    assert "bound to its key" in io.warnings[0]


def test_t8_a_server_that_does_not_rotate(io):
    """The grant stays what it was, whether the answer repeats it or not."""
    with OidcProvider(ROTATE="no") as idp:
        grant = OAuthProvider().login(request(idp), io, "browser")
        for _ in range(2):
            mint(idp, io, grant=grant.secret)

    assert io.grants == []
