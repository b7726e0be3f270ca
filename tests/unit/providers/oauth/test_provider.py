"""Mints, logins and revocations against a strict server on loopback."""

from __future__ import annotations

import os
import ssl

import msgspec
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credward.errors import BrokerError, Kind, Recovery
from credward.providers.oauth.provider import OAuthProvider
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from credward.settings.oauth import Settings
from credward.tokens import Secret
from fakes.io import NOW
from fakes.oauth_server import Answer, OAuthServer

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
USER = {"client_id": "client-1", "scope": "openid offline_access"}


def request(server, *, grant=None, audience=None, scopes=(), secrets=None, **words):
    """Return a request for credential `gateway` at this server."""
    words = {"issuer": server.issuer, **USER, **words}
    return ProviderRequest(
        credential="gateway",
        settings=msgspec.convert(words, Settings),
        audience=audience,
        scopes=scopes,
        grant=None if grant is None else Secret(grant),
        secrets={name: Secret(value) for name, value in (secrets or {}).items()},
    )


def mint(server, io, **words):
    return OAuthProvider().mint(request(server, **words), io)


def test_a_refresh_keeps_the_rotated_token_first(server, io):
    """Saved before the token that came with it is returned; the next mint uses it."""
    first = server.grant()

    token = mint(server, io, grant=first)
    (kept,) = io.grants
    again = mint(server, io, grant=kept.secret.reveal())

    assert token.secret.reveal().startswith("at-")
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 3600)
    assert kept.secret.reveal() != first
    assert kept.account == "alice@example.com"
    assert again.secret.reveal() != token.secret.reveal()


def test_t8_without_a_refresh_token_the_old_one_is_kept(server, io):
    """Nothing is saved, so nothing is replaced."""
    server.rotates = False
    grant = server.grant()

    mint(server, io, grant=grant)
    mint(server, io, grant=grant)

    assert io.grants == []


def test_t9_a_used_refresh_token_needs_a_login(server, io):
    """The server revokes the whole grant; the message is one command."""
    first = server.grant()
    mint(server, io, grant=first)

    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant=first)

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert caught.value.failure.sent == "no"
    assert caught.value.message == (
        '"gateway" needs a login (invalid_grant): run credward login gateway'
    )
    assert len(io.grants) == 1


def test_without_a_grant_nothing_is_dialled(server, io):
    """Nobody has logged in yet."""
    with pytest.raises(BrokerError, match="needs a login: run credward login gateway"):
        mint(server, io)
    assert server.log == []


def test_a_rotated_token_is_kept_though_the_token_is_useless(server, io):
    """Else the next attempt would present a used one; what happened to the grant is certain."""
    server.extra = {"expires_in": -5}

    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant=server.grant())

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert io.grants[0].secret.reveal() == server.families[0].current


def test_a_login_by_browser(server, io):
    """PKCE, state, nonce and the issuer in the redirect; then a mint and a revocation."""
    grant = OAuthProvider().login(request(server), io, "browser")
    token = mint(server, io, grant=grant.secret.reveal())
    OAuthProvider().revoke(request(server, grant=io.grants[-1].secret.reveal()), io)

    assert grant.account == "alice@example.com"
    assert token.expires_at == NOW + 3600
    assert server.families[0].revoked


def test_a_login_by_device_code(server, io):
    """As slowly as the server wants."""
    server.device_script = ["authorization_pending", "slow_down", "authorization_pending"]

    grant = OAuthProvider().login(request(server, grant_type="device_code"), io, "device")

    assert grant.secret.reveal() == server.families[0].current
    assert io.codes == [
        ("ABCD-EFGH", f"{server.issuer}/activate", f"{server.issuer}/activate?user_code=ABCD-EFGH")
    ]
    assert io.waits == [2, 2, 7, 7]


def test_t9_a_lost_answer_may_have_rotated(server, io):
    """The connection ends after the server did its work: sent is "maybe", nothing is saved."""
    server.script = [Answer(reset=True, after=True)]

    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant=server.grant())

    assert (caught.value.kind, caught.value.failure.sent) == (
        Kind.PROVIDER_UNREACHABLE,
        "maybe",
    )
    assert io.grants == []


PAGE = b"<html>SECRET: pay for the network here</html>"
JSON = "application/json"
TOKEN = b'{"access_token": "SECRET", "expires_in": 60, "token_type": "Bearer"}'


@pytest.mark.parametrize(
    ("answer", "kind", "sent", "retry_after"),
    [
        (Answer(status=429, headers={"Retry-After": "30"}), Kind.RATE_LIMITED, "no", 30),
        (Answer(status=429, headers={"Retry-After": "9" * 30}), Kind.RATE_LIMITED, "no", None),
        (
            Answer(status=429, headers={"Retry-After": "Fri, 15 Jan 2027 08:01:00 GMT"}),
            Kind.RATE_LIMITED,
            "no",
            60,
        ),
        (Answer(status=500, body=b"SECRET"), Kind.PROVIDER_UNREACHABLE, "maybe", None),
        (
            Answer(status=502, body=PAGE, content_type="text/html"),
            Kind.PROVIDER_UNREACHABLE,
            "maybe",
            None,
        ),
        (Answer(delay=15, body=TOKEN), Kind.TIMED_OUT, "maybe", None),
        (Answer(reset=True), Kind.PROVIDER_UNREACHABLE, "maybe", None),
        (Answer(body=TOKEN, cut=10), Kind.PROVIDER_UNREACHABLE, "maybe", None),
        (Answer(body=TOKEN[:-10]), Kind.PROVIDER_REFUSED, "maybe", None),
        (Answer(body=os.urandom(64)), Kind.PROVIDER_REFUSED, "maybe", None),
        (Answer(body=b""), Kind.PROVIDER_REFUSED, "maybe", None),
        (Answer(body=b"{}"), Kind.PROVIDER_REFUSED, "maybe", None),
        (Answer(body=PAGE, content_type="text/html"), Kind.PROVIDER_REFUSED, "maybe", None),
        (Answer(body=PAGE), Kind.PROVIDER_REFUSED, "maybe", None),
        (Answer(body=TOKEN, content_type="text/plain"), Kind.PROVIDER_REFUSED, "maybe", None),
        (Answer(body=TOKEN, content_type=""), Kind.PROVIDER_REFUSED, "maybe", None),
        (
            Answer(body=TOKEN[:-1] + b" " * 70_000 + b"}"),
            Kind.PROVIDER_REFUSED,
            "maybe",
            None,
        ),
        (
            Answer(status=302, headers={"Location": "http://portal.example/"}),
            Kind.PROVIDER_REFUSED,
            "maybe",
            None,
        ),
        (
            Answer(body=b'{"access_token": "SECRET"}'),
            Kind.FIX_CONFIGURATION,
            "no",
            None,
        ),
        (
            Answer(body=b'{"access_token": "SECRET", "expires_in": -1}'),
            Kind.PROVIDER_REFUSED,
            "no",
            None,
        ),
    ],
)
def test_t6_t9_t15_bad_answers_over_the_wire(server, io, answer, kind, sent, retry_after):
    """Each is classified, none is a token, none touches the grant, and the next attempt succeeds."""
    grant = server.grant()
    server.script = [answer]

    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant=grant, timeout=1.5 if answer.delay else 20)

    error = caught.value
    assert (error.kind, error.failure.sent, error.failure.retry_after) == (
        kind,
        sent,
        retry_after,
    )
    assert error.failure.recovery is (
        Recovery.FIX_CONFIGURATION if kind is Kind.FIX_CONFIGURATION else Recovery.RETRY
    )
    assert "SECRET" not in error.message
    assert grant not in error.message
    assert error.message.startswith('"gateway" ')
    assert ": " in error.message
    assert io.grants == []
    assert mint(server, io, grant=grant).secret.reveal().startswith("at-")


def test_t9_a_server_that_is_away(server, io):
    """Nothing was sent, and the grant stays."""
    with pytest.raises(BrokerError) as caught:
        mint(server, io, grant="rt", issuer="http://127.0.0.1:9")

    assert (caught.value.kind, caught.value.failure.sent) == (
        Kind.PROVIDER_UNREACHABLE,
        "no",
    )


def test_t15_no_failure_of_the_metadata_uses_the_grant(server, io):
    """A portal in front of it, or an outage: the token endpoint was not asked."""
    server.well_known = "/elsewhere"
    with pytest.raises(BrokerError, match="publishes no metadata: correct issuer") as caught:
        mint(server, io, grant="rt")

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert "token" not in server.paths()


def test_metadata_of_another_issuer_gets_no_grant(server, io):
    """Mixing servers up is how grants are stolen."""
    server.metadata = {"issuer": "https://evil.example.com"}
    with pytest.raises(BrokerError, match="another issuer"):
        mint(server, io, grant="rt")

    assert "token" not in server.paths()


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
)
def test_each_use_looks_the_server_up(server, io, path):
    """In either place, and keeps nothing."""
    server.well_known = path
    server.rotates = False
    grant = server.grant()
    mint(server, io, grant=grant)
    mint(server, io, grant=grant)

    assert server.paths().count(path.rpartition("/")[2]) == 2


def test_a_refresh_token_that_cannot_be_kept(server, io):
    """The token is good; people are told, and the old one stays."""
    server.rotates = False
    server.extra = {"refresh_token": "two words"}

    assert mint(server, io, grant=server.grant()).secret.reveal()
    assert io.grants == []
    assert "keeps the old one" in io.warnings[0]


def test_a_refresh_token_that_is_said_again(server, io):
    """Nothing new to keep, unless its end is."""
    server.rotates = False
    grant = server.grant()
    server.extra = {"refresh_token": grant}
    mint(server, io, grant=grant)
    assert io.grants == []

    server.extra = {"refresh_token": grant, "refresh_expires_in": 600}
    mint(server, io, grant=grant)
    assert [(each.secret.reveal(), each.ends_at) for each in io.grants] == [(grant, NOW + 600)]


def test_what_a_refresh_asks_for(server, io):
    """The login's scope is meant; a caller's narrowing, and a scope that was handed over, are said."""
    mint(server, io, grant=server.grant())
    mint(server, io, grant=server.grant("openid a b"), scopes=("a",), audience="x")
    mint(server, io, grant=server.grant("a b"), grant_type="refresh_token", scope="a b")
    asked = [each.form for each in server.log if each.path.endswith("token")]

    assert "scope" not in asked[0]
    assert (asked[1]["scope"], asked[1]["audience"]) == ("a", "x")
    assert asked[2]["scope"] == "a b"


def test_a_grant_with_its_key(server, io):
    """Bound at the first use; the rotated one carries the key on."""
    server.dpop_nonce = "n"
    mint(server, io, grant=server.grant(), dpop=True)
    server.families[0].jkt = "another key"
    with pytest.raises(BrokerError, match="invalid_grant"):
        mint(server, io, grant=io.grants[-1].secret.reveal(), dpop=True)

    assert "bound to its key" in io.warnings[0]


def test_client_credentials(server, io):
    """No grant, no login, no rotation."""
    server.client_secret = "s"
    words = {"grant_type": "client_credentials", "client_secret": {"env": "S"}, "scope": "a"}
    token = mint(server, io, secrets={"client_secret": "s"}, resource="https://r", **words)

    assert token.expires_at == NOW + 3600
    assert server.log[-1].form == {
        "grant_type": "client_credentials",
        "scope": "a",
        "resource": "https://r",
    }


def test_token_exchange(server, io):
    """RFC 8693: another credential's token for one here."""
    words = {
        "grant_type": "token_exchange",
        "subject_token": {"credential": "other"},
        "subject_token_type": "jwt",
        "requested_token_type": "access_token",
    }
    mint(server, io, secrets={"subject_token": "a.b.c"}, audience="api", **words)

    form = server.log[-1].form
    assert form["subject_token"] == "a.b.c"
    assert form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert form["requested_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert form["audience"] == "api"
    with pytest.raises(BrokerError, match="renew what subject_token refers to") as caught:
        mint(server, io, secrets={"subject_token": "a"}, **words | {"subject_token_type": "saml2"})
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")


def test_jwt_bearer(server, io):
    """RFC 7523: an assertion of somebody else, which may be better the next time."""
    words = {"grant_type": "jwt_bearer", "assertion": {"env": "A"}}
    mint(server, io, secrets={"assertion": "a.b.c"}, **words)

    with pytest.raises(BrokerError, match="renew what assertion refers to") as caught:
        mint(server, io, secrets={"assertion": "spent"}, **words)
    assert caught.value.failure.recovery is Recovery.RETRY


def test_jwt_bearer_signed_here(server, io):
    """For the subject of the settings; the key does not prove who the client is."""
    words = {"grant_type": "jwt_bearer", "private_key": {"env": "K"}, "subject": "alice"}
    mint(server, io, secrets={"private_key": PEM}, key_id="k", **words)

    server.client_key, form = KEY.public_key(), server.log[-1].form
    claims = server.check_jwt(form["assertion"], "client-1")
    assert (claims["sub"], claims["aud"]) == ("alice", server.issuer)
    assert "client_assertion" not in form


def test_mutual_tls(io, tmp_path):
    """RFC 8705: with the certificate; without it the server does not even listen."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    mine = authority.issue_cert("client-1")
    mine.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    mine.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    transport = Transport(NetworkSettings(ca=str(tmp_path / "ca.pem")))
    io.server = lambda request: transport.send(request, credential="gateway")

    with OAuthServer(tls=context) as running:
        place = {"issuer": None, "token_endpoint": f"{running.issuer}/token"}
        words = {
            "grant_type": "client_credentials",
            "client_certificate": str(tmp_path / "cert.pem"),
            "client_key": str(tmp_path / "key.pem"),
        }
        token = mint(running, io, **place, **words)
        with pytest.raises(BrokerError) as caught:
            mint(running, io, **place, grant_type="refresh_token", grant="rt")
    transport.close()

    assert token.secret.reveal().startswith("at-")
    assert running.log[0].form["client_id"] == "client-1"
    assert len(running.log) == 1
    assert caught.value.kind is Kind.PROVIDER_UNREACHABLE


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=503), Kind.PROVIDER_UNREACHABLE),
        (Answer(status=400, body=b'{"error": "unsupported_token_type"}'), Kind.FIX_CONFIGURATION),
        (Answer(status=404), Kind.PROVIDER_REFUSED),
    ],
)
def test_a_revocation_that_failed(server, io, answer, kind):
    """Says so in its own words."""
    server.script = [answer]
    with pytest.raises(BrokerError, match='"gateway" was not revoked') as caught:
        OAuthProvider().revoke(request(server, grant="rt"), io)

    assert caught.value.kind is kind


def test_a_server_that_cannot_revoke(server, io):
    """The key that would help is named."""
    server.metadata = {"revocation_endpoint": None}
    with pytest.raises(BrokerError, match="set revocation_endpoint"):
        OAuthProvider().revoke(request(server, grant="rt"), io)
