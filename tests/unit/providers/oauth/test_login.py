"""Logins by browser, and everything that may come back instead of the right answer."""

from __future__ import annotations

from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.providers.oauth.login import log_in_by_browser, log_in_by_device
from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings
from fakes.login_io import follow_once
from fakes.oauth_server import OAuthServer

SCOPE = "openid offline_access"


def request(server, **words):
    words = {"issuer": server.issuer, "client_id": server.client_id, "scope": SCOPE} | words
    return ProviderRequest(credential="gateway", settings=msgspec.convert(words, Settings))


def changed(**query):
    """Return a user whose browser comes back with another query; None takes away."""

    def come_back(url):
        end = follow_once(url)
        base, _, text = end.partition("?")
        words = {name: values[0] for name, values in parse_qs(text).items()} | query
        return f"{base}?{urlencode({k: v for k, v in words.items() if v is not None})}"

    return come_back


def test_what_the_browser_is_sent_with(server, io):
    """PKCE with S256, state, nonce, consent for offline access, and what the vendor wants."""
    log_in_by_browser(
        request(
            server,
            resource="https://api.example.com",
            redirect_host="localhost",
            redirect_path="/cb",
            authorization_parameters={"login_hint": "alice"},
        ),
        io,
    )
    query = {name: value[0] for name, value in parse_qs(urlsplit(io.opened[0]).query).items()}

    assert query["response_type"] == "code"
    assert query["code_challenge_method"] == "S256"
    assert len(query["code_challenge"]) == 43
    assert min(len(query["state"]), len(query["nonce"])) >= 43
    assert (query["scope"], query["prompt"], query["login_hint"]) == (SCOPE, "consent", "alice")
    assert query["resource"] == "https://api.example.com"
    assert urlsplit(query["redirect_uri"]).hostname == "localhost"
    assert urlsplit(query["redirect_uri"]).path == "/cb"


@pytest.mark.parametrize("login", [log_in_by_browser, log_in_by_device])
def test_g10_the_exchange_names_the_resource_too(server, io, login):
    """RFC 8707 section 2.2, beside the code that the login brought."""
    login(request(server, resource="https://api.example.com"), io)

    tokens = [asked.form for asked in server.log if asked.path.endswith("/token")]
    assert {form["resource"] for form in tokens} == {"https://api.example.com"}


def test_each_login_is_another(server, io):
    """Nothing of one can be used in the other."""
    log_in_by_browser(request(server), io)
    log_in_by_browser(request(server), io)
    first, second = (parse_qs(urlsplit(url).query) for url in io.opened)

    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ({"state": "x"}, r"another login \(state\)"),
        ({"state": None}, r"another login \(state\)"),
        ({"state": "ö"}, r"another login \(state\)"),
        ({"iss": "https://evil.example.com"}, r"another server \(iss\)"),
        ({"iss": None}, r"without the name of the server \(iss\)"),
        ({"code": None}, "without a code"),
        ({"code": None, "error": "access_denied"}, r"denied \(access_denied\)"),
        ({"error": "SECRET thing"}, "an unknown error code"),
        ({"error": "login_required"}, r"needs a login \(login_required\)"),
        ({"code": "other"}, r"needs a login \(invalid_grant\)"),
    ],
)
def test_what_is_not_this_login_is_refused(server, io, query, complaint):
    """The code is not even sent to the server."""
    io.user = changed(**query)
    with pytest.raises(BrokerError, match=complaint) as caught:
        log_in_by_browser(request(server), io)

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert "evil" not in caught.value.message
    assert "SECRET" not in caught.value.message
    assert "login gateway" in caught.value.message
    if query != {"code": "other"}:
        assert "token" not in server.paths()


def test_a_server_that_does_not_know_the_scope(server, io):
    """The configuration is wrong, no login would help."""
    io.user = changed(code=None, error="invalid_scope")
    with pytest.raises(BrokerError, match="correct scope") as caught:
        log_in_by_browser(request(server), io)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_a_server_that_never_names_itself(server, io):
    """RFC 9207 is not everywhere."""
    server.metadata = {"authorization_response_iss_parameter_supported": None}
    io.user = changed(iss=None)

    assert log_in_by_browser(request(server), io).account == "alice@example.com"


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ({"nonce": "x"}, "another login"),
        ({}, "another login"),
        ({"aud": "x"}, "another client"),
        ({"iss": "https://x.example"}, "another issuer"),
    ],
)
def test_an_id_token_of_another_login(server, io, claims, complaint):
    """Somebody put a code of theirs in."""
    server.extra = {"id_token": server.id_token(**claims)}
    with pytest.raises(BrokerError, match=complaint):
        log_in_by_browser(request(server), io)


def test_a_login_without_a_refresh_token(server, io):
    """The configuration has to ask for one."""
    with pytest.raises(BrokerError, match="add offline_access to scope") as caught:
        log_in_by_browser(request(server, scope="openid"), io)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_the_end_of_the_grant(server, io):
    """Where the server tells."""
    server.extra = {"refresh_expires_in": 60}

    assert log_in_by_browser(request(server), io).ends_at == io.time + 60


def test_a_login_with_dpop(server, io):
    """The key is part of the grant, and the refresh token is bound to it."""
    grant = log_in_by_browser(request(server, dpop=True), io)

    assert server.families[0].jkt is not None
    assert "dpop_key" in grant.secret.reveal()


def test_a_device_login_with_dpop_and_a_secret(io):
    """Both endpoints know the client; the account comes of the ID token."""
    with OAuthServer(client_secret="s", dpop_nonce="n") as server:
        words = {"client_secret": {"command": ["x"]}, "dpop": True, "grant_type": "device_code"}
        io.output = b"s"
        grant = log_in_by_device(request(server, **words), io)

    assert "dpop_key" in grant.secret.reveal()
    assert grant.account == "alice@example.com"
