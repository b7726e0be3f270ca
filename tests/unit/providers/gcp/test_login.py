"""Logging in to Google with a browser, against a fake Google that verifies PKCE."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.gcp.provider import GcpProvider
from credward.providers.provider import ProviderRequest
from credward.settings.gcp import Settings
from credward.settings.references import Reference
from credward.tokens import Secret
from fakes.google_server import CLIENT, REFRESH, make_io


class Browser:
    """The world of a login; *answer* makes the query that comes back out of the one that went."""

    def __init__(self, google, answer=None):
        self.google = google
        self.asked = {}
        self._io = make_io(google, {})
        self._answer = answer or (lambda asked: {"code": "code", "state": asked["state"]})
        self.now = self._io.now
        self.send = self._io.send

    def receive_redirect(self, make_url, *, path="/callback"):
        url = urlsplit(make_url(f"http://127.0.0.1:4711{path}"))
        assert f"{url.scheme}://{url.netloc}{url.path}" == (
            "https://accounts.google.com/o/oauth2/v2/auth"
        )
        self.asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.google.challenge = self.asked["code_challenge"]
        return self._answer(self.asked)


def request(grant=None, *, secret=CLIENT["client_secret"], **words):
    """Return what a login is asked with."""
    return ProviderRequest(
        credential="vertex",
        settings=Settings(client_id="client", client_secret=Reference(store="s"), **words),
        grant=None if grant is None else Secret(grant),
        secrets={"client_secret": Secret(secret)},
    )


def test_a_login_brings_a_refresh_token(google):
    """With PKCE, state, and the consent without which Google gives none; it says who that was."""
    browser = Browser(google)
    grant = GcpProvider().login(request(), browser, "browser")

    assert (grant.secret.reveal(), grant.account) == (REFRESH, "me@example.com")
    asked = browser.asked
    assert (asked["access_type"], asked["prompt"]) == ("offline", "consent")
    assert (asked["code_challenge_method"], asked["response_type"]) == ("S256", "code")
    assert asked["redirect_uri"] == "http://127.0.0.1:4711/"
    assert asked["scope"] == "openid email https://www.googleapis.com/auth/cloud-platform"
    assert google.seen[-1].form["redirect_uri"] == asked["redirect_uri"]


def test_scopes_of_an_impersonated_account_are_not_the_users(google):
    """Impersonating takes cloud-platform."""
    browser = Browser(google)
    asked = request(scopes=("narrow",), impersonate_service_account="a@p")
    GcpProvider().login(asked, browser, "browser")
    assert "cloud-platform" in browser.asked["scope"]

    GcpProvider().login(request(scopes=("narrow",)), browser, "browser")
    assert browser.asked["scope"] == "openid email narrow"


def test_the_account_is_hinted_and_checked(google):
    """Another account's login would be another grant."""
    browser = Browser(google)
    GcpProvider().login(request(account="Me@example.com"), browser, "browser")
    assert browser.asked["login_hint"] == "Me@example.com"

    with pytest.raises(BrokerError, match=r"another account than you@example\.com"):
        GcpProvider().login(request(account="you@example.com"), browser, "browser")


@pytest.mark.parametrize(
    "answer",
    [
        lambda asked: {"code": "code", "state": "another"},
        lambda asked: {"code": "code"},
        lambda asked: {"error": canary("error"), "state": asked["state"]},
        lambda asked: {"code": canary("code"), "state": asked["state"]},
    ],
)
def test_an_answer_that_is_not_ours_is_refused(google, answer):
    """Another login's, one without a state, a no, and a code that Google does not know."""
    with pytest.raises(BrokerError, match=r"run credward login vertex$") as caught:
        GcpProvider().login(request(), Browser(google, answer), "browser")

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert MARK not in caught.value.message


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"refresh_token": ""}', b'{"refresh_token": 7}'],
)
def test_t6_an_answer_without_a_refresh_token(google, body):
    """Is no login."""
    google.bad["/token"] = (200, {"Content-Type": "application/json"}, body)
    with pytest.raises(BrokerError) as caught:
        GcpProvider().login(request(), Browser(google), "browser")

    assert caught.value.kind is Kind.LOGIN_REQUIRED


def test_an_access_that_is_limited_in_time(google):
    """Its end is that of the grant."""
    body = b'{"refresh_token": "r", "refresh_token_expires_in": 3600}'
    google.bad["/token"] = (200, {"Content-Type": "application/json"}, body)
    browser = Browser(google)
    grant = GcpProvider().login(request(), browser, "browser")

    assert grant.ends_at == pytest.approx(browser.now() + 3600, abs=5)


def test_there_is_no_login_where_there_is_no_client(google):
    """And none by a device code."""
    adc = ProviderRequest(credential="vertex", settings=Settings())
    for asked, method in ((adc, "browser"), (request(), "device")):
        with pytest.raises(BrokerError, match="set client_id") as caught:
            GcpProvider().login(asked, Browser(google), method)
        assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_a_login_is_revoked(google):
    """One that is gone already is no failure; a failing server is one."""
    io = make_io(google, {})
    for grant in (REFRESH, "gone"):
        GcpProvider().revoke(request(grant), io)
        assert google.seen[-1].form == {"token": grant}

    google.bad["/revoke"] = (503, {}, b"")
    with pytest.raises(BrokerError) as caught:
        GcpProvider().revoke(request(REFRESH), io)
    assert caught.value.kind is Kind.PROVIDER_UNREACHABLE


def test_what_is_not_ours_is_not_revoked(google):
    """A key, or gcloud's own login."""
    with pytest.raises(BrokerError, match="revoke it where it is from"):
        GcpProvider().revoke(
            ProviderRequest(credential="vertex", settings=Settings()), make_io(google, {})
        )
