"""How an application proves itself: secrets, certificates, assertions from elsewhere."""

from __future__ import annotations

import datetime as dt

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from canaries import MARK, canary
from credward.errors import Kind
from credward.providers.entra.provider import EntraProvider
from credward.providers.provider import HttpResponse
from credward.settings.references import Reference
from fakes.entra_server import GITHUB, entra_server
from fakes.io import FakeIo
from unit.providers.entra.world import failing, request, settings, world

STORED = Reference(store="x")
NOW = dt.datetime.now(dt.UTC)
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def server(tmp_path):
    """Return an authority."""
    with entra_server(tmp_path) as running:
        yield running


def certificate(key=KEY, ends_at=NOW + dt.timedelta(30)):
    """Return a self-signed certificate as PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "credward")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW - dt.timedelta(90))
        .not_valid_after(ends_at)
        .sign(key, hashes.SHA256())
    )
    return built.public_bytes(Encoding.PEM).decode()


def private(key=KEY, encryption=NoEncryption()):  # noqa: B008
    """Return a key as PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()


def of_application(server, secret, **words):
    """Return a request of an application with one proof."""
    (field,) = words
    return request(settings(server, **words), secrets={field: secret})


def test_a_certificate(server):
    """The server verifies what msal signed; the thumbprint is derived from the certificate."""
    server.public_key = KEY.public_key()
    other = certificate(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    pem = other + private() + certificate()
    token = EntraProvider().mint(
        of_application(server, pem, client_certificate=STORED), world(server)
    )

    assert token.secret.reveal()
    header = jwt.get_unverified_header(server.forms()[0]["client_assertion"])
    assert header["alg"] == "PS256"
    assert header["x5t#S256"]


def test_a_certificate_of_another_application(server):
    """A definite refusal, with what to upload."""
    server.public_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = private() + certificate()
    error = failing(of_application(server, pem, client_certificate=STORED), world(server))

    assert (error.kind, error.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert "upload it to" in error.message


def _broken():
    elliptic = ec.generate_private_key(ec.SECP256R1())
    return [
        (canary("pem"), "is not a PEM file"),
        (private(), "is not a PEM file|holds no certificate"),
        (certificate(), "is not a PEM file"),
        (private(encryption=BestAvailableEncryption(b"x")) + certificate(), "encrypted key"),
        (private(rsa.generate_private_key(public_exponent=65537, key_size=2048)) + certificate(),
         "holds no certificate of its key"),
        (private(elliptic) + certificate(elliptic), "no RSA key"),
        (private() + certificate(ends_at=NOW - dt.timedelta(1)), "expired on 20"),
    ]  # fmt: skip


@pytest.mark.parametrize("case", range(7))
def test_h3_a_certificate_that_is_none(server, case):
    """Is found out before anything is sent, and not repeated."""
    pem, complaint = _broken()[case]
    io = world(server)
    failure = failing(of_application(server, pem, client_certificate=STORED), io)

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert any(each in failure.message for each in complaint.split("|"))
    assert MARK not in f"{failure.message}{failure.__cause__}{failure.__context__}"
    assert io.requests == []


def test_an_assertion_from_elsewhere(server, tmp_path):
    """T12: a file is read anew at each mint; what another credential minted is handed over."""
    path = tmp_path / "assertion"
    chosen = settings(server, client_assertion=Reference(file=str(path)))
    for text in ("federated-assertion", "second"):
        path.write_text(text + "\n")
        path.chmod(0o600)
        server.assertion = text
        EntraProvider().mint(request(chosen), world(server))

    handed = settings(server, client_assertion=Reference(credential="k8s"))
    EntraProvider().mint(request(handed, secrets={"client_assertion": "second"}), world(server))
    assert [form["client_assertion"] for form in server.forms()] == [
        "federated-assertion",
        "second",
        "second",
    ]


def test_an_assertion_that_matches_nothing(server):
    """Issuer, subject and audience are what to look at."""
    failure = failing(of_application(server, "x", client_assertion=STORED), world(server))

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "issuer, subject and audience" in failure.message


def test_a_job_of_github(server):
    """Its OIDC token, for the audience of the cloud, is the assertion."""
    io = world(server)
    io.environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.https}/github?api-version=2",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": GITHUB,
    }
    token = EntraProvider().mint(request(settings(server, federated="github")), io)

    assert token.secret.reveal()
    assert io.requests[0].url.endswith("&audience=api://AzureADTokenExchange")
    assert server.forms()[0]["client_assertion"] == "github-api://AzureADTokenExchange"


def test_no_job_of_github(server):
    """Outside of one, and in one without the permission."""
    chosen = request(settings(server, federated="github"))
    failure = failing(chosen, world(server))
    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "id-token: write" in failure.message

    io = world(server)
    io.environ = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.https}/github",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": canary("wrong"),
    }
    failure = failing(chosen, io)
    assert failure.kind is Kind.PROVIDER_REFUSED
    assert "HTTP 401" in failure.message
    assert MARK not in failure.message


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Kind.RATE_LIMITED), (503, Kind.PROVIDER_UNREACHABLE)]
)
def test_t6_github_is_busy(server, status, kind):
    """Nothing went to Entra ID yet, and the pause that was asked for is kept."""
    io = FakeIo(
        server=lambda _: HttpResponse(status=status, headers={"retry-after": "9"}, body=b""),
        environ={
            "ACTIONS_ID_TOKEN_REQUEST_URL": f"{server.https}/github",
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": GITHUB,
        },
    )
    error = failing(request(settings(server, federated="github")), io)

    assert (error.kind, error.failure.sent, error.failure.retry_after) == (kind, "no", 9.0)


def test_a_wrong_secret(server):
    """Entra ID's most common refusal: the secret's id in the place of its value."""
    error = failing(of_application(server, canary("x"), client_secret=STORED), world(server))

    assert (error.kind, error.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert "AADSTS7000215" in error.message
