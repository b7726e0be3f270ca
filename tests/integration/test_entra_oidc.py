"""msal's user flows against a real OpenID provider over TLS: in this process, and by a whole daemon."""

from __future__ import annotations

import json
import time
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import trustme

from credward.errors import BrokerError, Kind
from credward.providers.entra.provider import EntraProvider
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.entra import Settings
from credward.settings.network import NetworkSettings
from fakes.login_io import FakeLoginIo
from integration.command_line import log_in
from integration.oidc import OidcProvider, User

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(OidcProvider.missing() is not None, reason=str(OidcProvider.missing())),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Return the files of an authority, a certificate and its key."""
    folder = tmp_path_factory.mktemp("tls")
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1", "localhost")
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(str(folder / "cert.pem"), append=True)
    return folder


@pytest.fixture
def idp(files):
    """Return the server, mounted where msal expects a tenant."""
    words = {"CERT": str(files / "cert.pem"), "KEY": str(files / "key.pem")}
    with OidcProvider(MOUNT="/tid/v2.0", ACCESS_TTL="600", **words) as running:
        yield running


@pytest.fixture
def user(files):
    """Return somebody with a browser that trusts the server."""
    with User() as somebody:
        somebody._session.verify = str(files / "ca.pem")
        yield somebody


@pytest.fixture
def io(files, user):
    """Return the outside world with this user in it."""
    transport = Transport(NetworkSettings(ca=str(files / "ca.pem")))

    def go(url):
        # As everywhere in the web, an address without a path is one with the path "/".
        return user.go(url, end=parse_qs(urlsplit(url).query)["redirect_uri"][0] + "/")

    yield FakeLoginIo(
        server=lambda request: transport.send(request, credential="gateway"),
        user=go,
        time=time.time(),
    )
    transport.close()


def request(idp, grant=None, **words):
    """Return a request of a user `alice`."""
    settings = Settings(
        authority=idp.issuer.removesuffix("/v2.0"), client_id="credward", scope="api", **words
    )
    return ProviderRequest(credential="gateway", settings=settings, grant=grant)


def test_browser_rotation_and_reuse(idp, io):
    """T8: each mint presents the newest refresh token; an old one ends the grant."""
    provider = EntraProvider()
    grant = provider.login(request(idp, account="alice"), io, "browser")
    assert grant.account == "alice"

    tokens, newest = [], grant
    for _ in range(3):
        tokens.append(provider.mint(request(idp, newest.secret), io))
        newest = io.grants[-1]
    assert len({token.secret.token_id() for token in tokens}) == 3
    assert len(io.grants) == 3
    assert json.loads(newest.secret.reveal())["account"] == "alice"
    assert all(0 < token.expires_at - time.time() <= 600 for token in tokens)

    with pytest.raises(BrokerError) as caught:
        provider.mint(request(idp, grant.secret), io)
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.LOGIN_REQUIRED, "no")
    idp.wait_for("grant.revoked")
    with pytest.raises(BrokerError, match="run credward login gateway"):
        provider.mint(request(idp, newest.secret), io)


def test_device_code(idp, io, user):
    """Pending polls first; then the user types the code elsewhere."""

    def meanwhile():
        if len(io.waits) == 3:
            user.go(io.codes[0][2])

    io.meanwhile = meanwhile
    grant = EntraProvider().login(request(idp, flow="device"), io, "device")

    assert len(io.waits) == 3
    assert idp.count("grant.error", error="authorization_pending") == 2
    assert EntraProvider().mint(request(idp, grant.secret), io).secret.reveal()


def test_an_id_token(idp, io):
    """For gateways that verify that one."""
    grant = EntraProvider().login(request(idp, account="alice"), io, "browser")
    token = EntraProvider().mint(request(idp, grant.secret, token="id"), io)

    assert token.secret.reveal().count(".") == 2
    assert 0 < token.expires_at - time.time() <= 600


def test_a_whole_daemon(start_daemon, files, idp, user):
    """Log in by the command, mint, rotate, be killed, and go on without another login."""
    daemon = start_daemon(
        f"""
        [network]
        ca = "{files / "ca.pem"}"
        [store]
        key = "key_file"
        [credentials.gateway]
        provider = "entra"
        authority = "{idp.issuer.removesuffix("/v2.0")}"
        client_id = "credward"
        scope = "api"
        account = "alice"
        """
    )
    asked = daemon.get("gateway")
    assert (asked.status, asked.kind) == (401, "login-required")

    def follow(url):
        redirect = parse_qs(urlsplit(url).query)["redirect_uri"][0] + "/"
        requests.get(user.go(url, end=redirect), timeout=60).raise_for_status()

    assert log_in(daemon, "gateway", follow)["account"] == "alice"

    first = daemon.get("gateway")
    assert first.status == 200
    for _ in range(2):
        refreshed = daemon.request("POST", "/v1/credentials/gateway/refresh")
        assert refreshed.status in {200, 202, 204}, refreshed.text
    daemon.kill9()
    daemon.start()
    after = daemon.get("gateway")

    assert after.status == 200
    assert after.text != first.text
    assert idp.count("refresh_token.consumed") >= 3
    assert idp.count("grant.revoked") == 0
