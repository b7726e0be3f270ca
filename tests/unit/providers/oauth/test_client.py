"""How a client proves who it is, against a strict server on loopback."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from credward.errors import BrokerError, Kind
from credward.providers.oauth.client import OAuthClient
from credward.providers.oauth.dpop import ProofKey
from credward.providers.oauth.server import AuthorizationServer
from credward.providers.provider import HttpResponse, ProviderRequest
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from credward.settings.oauth import Settings
from credward.tokens import Secret
from fakes.io import FakeIo
from fakes.oauth_server import OAuthServer

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
CREDENTIALS = "client_credentials"


@pytest.fixture
def io():
    transport = Transport(NetworkSettings())
    yield FakeIo(server=lambda request: transport.send(request, credential="gateway"))
    transport.close()


def client(server, io, *, secret=None, key=None, methods=(), **words):
    words = {"issuer": server.issuer, "client_id": server.client_id} | words
    name = "private_key" if "private_key" in words else "client_secret"
    request = ProviderRequest(
        credential="gateway",
        settings=msgspec.convert(words, Settings),
        secrets={} if secret is None else {name: Secret(secret)},
    )
    found = AuthorizationServer(
        configured=frozenset({"127.0.0.1"}),
        issuer=server.issuer,
        token_endpoint=f"{server.issuer}/token",
        auth_methods=methods,
    )
    return OAuthClient(request, io, found, key=key)


@pytest.mark.parametrize(
    ("method", "methods", "in_header"),
    [
        (None, (), True),
        (None, ("client_secret_post", "client_secret_basic"), True),
        (None, ("client_secret_post",), False),
        ("client_secret_post", (), False),
        ("client_secret_basic", ("client_secret_post",), True),
    ],
)
def test_a_secret_in_header_or_body(io, method, methods, in_header):
    """Where the settings say, else where the server wants it; colons and signs survive."""
    with OAuthServer(client_id="c:1", client_secret="p:w+ö %") as server:
        one = client(
            server, io, secret="p:w+ö %\n", methods=methods, client_secret={"env": "S"},
            token_endpoint_auth_method=method,
        )  # fmt: skip
        assert one.ask(CREDENTIALS, {"scope": "a b"})["scope"] == "a b"
        (asked,) = server.log

    assert ("authorization" in asked.headers) == in_header
    assert ("client_secret" in asked.form) != in_header
    assert asked.headers["accept"] == "application/json"


def test_private_key_jwt(io):
    """Signed anew at each request; the server takes each once."""
    with OAuthServer(client_key=KEY.public_key()) as server:
        one = client(
            server, io, secret=PEM, private_key={"env": "K"}, key_id="k", grant_type=CREDENTIALS
        )
        one.ask(CREDENTIALS, {})
        one.ask(CREDENTIALS, {})

    assert len(server.seen) == 2


def test_an_assertion_of_somebody_else(io):
    """Taken as it is."""
    io.server = lambda _: HttpResponse(
        status=200, headers={"content-type": "application/json"}, body=b"{}"
    )
    io.output = b"a.b.c\n"
    with OAuthServer() as server:
        client(server, io, client_assertion={"command": ["jwt"]}).ask(CREDENTIALS, {})

    form = parse_qs(io.requests[0].body.decode())
    assert form["client_assertion"] == ["a.b.c"]
    assert form["client_assertion_type"] == [
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    ]


def test_a_wrong_secret_is_a_matter_of_configuration(io):
    """And the message says what to look at."""
    with OAuthServer(client_secret="right") as server:
        with pytest.raises(BrokerError, match="invalid_client: correct client_id") as caught:
            client(server, io, secret="wrong", client_secret={"env": "S"}).ask(CREDENTIALS, {})

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert "wrong" not in caught.value.message


def test_certificates_go_to_the_transport(io):
    """With the client's name in the body (RFC 8705 section 2)."""
    io.server = lambda _: HttpResponse(
        status=200, headers={"content-type": "application/json"}, body=b"{}"
    )
    with OAuthServer() as server:
        one = client(server, io, client_certificate="/c", client_key="/k")
        one.ask(CREDENTIALS, {})

    assert io.requests[0].client_certificate == ("/c", "/k")
    assert b"client_id=client-1" in io.requests[0].body


def test_dpop_repeats_once_with_the_nonce(io):
    """A new proof, and what else is presented once is new too."""
    with OAuthServer(client_key=KEY.public_key(), dpop_nonce="n1") as server:
        grant = server.grant()
        one = client(
            server, io, secret=PEM, private_key={"env": "K"}, dpop=True, key=ProofKey.generate()
        )
        answer = one.ask("refresh_token", {"refresh_token": grant})

    assert answer["token_type"] == "DPoP"
    assert len(server.log) == 2


def test_dpop_repeats_no_more_than_once(io):
    """A server that is never content is refused, and nothing was used up."""
    io.server = lambda _: HttpResponse(
        status=400,
        headers={"content-type": "application/json", "dpop-nonce": "n"},
        body=b'{"error": "use_dpop_nonce"}',
    )
    with OAuthServer() as server:
        one = client(server, io, dpop=True, key=ProofKey.generate())
        with pytest.raises(BrokerError, match="use_dpop_nonce") as caught:
            one.ask("refresh_token", {"refresh_token": "r"})

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert len(io.requests) == 2


def test_a_secret_that_cannot_be_read_used_nothing(io):
    """A program that fails may have done anything, but not with the grant."""
    io.exit_code = 3
    with OAuthServer() as server:
        one = client(server, io, client_secret={"command": ["op", "read"]})
        with pytest.raises(BrokerError) as caught:
            one.ask("refresh_token", {"refresh_token": "r"})

    assert caught.value.failure.sent == "no"
    assert server.log == []


def test_what_the_rfc_means_by_form_encoded(io):
    """RFC 6749 section 2.3.1, seen in the bytes."""
    io.server = lambda _: HttpResponse(
        status=200, headers={"content-type": "application/json"}, body=b"{}"
    )
    with OAuthServer(client_id="a b") as server:
        client(server, io, secret="x/y:z", client_secret={"env": "S"}).ask(CREDENTIALS, {})

    _, _, value = io.requests[0].headers["Authorization"].partition(" ")
    assert base64.b64decode(value) == b"a+b:x%2Fy%3Az"
