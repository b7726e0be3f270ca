"""Logins at Entra ID: real msal, a person and a sign-in page played here."""

from __future__ import annotations

import json

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.entra.provider import EntraProvider
from credward.settings.references import Reference
from fakes.entra_server import SECRET, USER, entra_server, refusal
from unit.providers.entra.world import Person, request, settings, world


@pytest.fixture
def server(tmp_path):
    """Return an authority."""
    with entra_server(tmp_path) as running:
        yield running


def log_in(server, method, page=None, **words):
    """Log in once; return the grant and the person."""
    person = world(server, Person(page))
    return EntraProvider().login(request(settings(server, **words)), person, method), person


def refused(server, method, page=None, **words):
    """Return the failure of a login."""
    with pytest.raises(BrokerError) as caught:
        log_in(server, method, page, **words)
    return caught.value


def test_by_page(server):
    """Code, state, nonce and PKCE; the address has no path, as it is registered."""
    pages = []

    def page(url):
        pages.append(url)
        return server.sign_in(url)

    grant, person = log_in(server, "browser", page, claims='{"id_token":{"x":null}}')

    assert json.loads(grant.secret.reveal()) == {
        "refresh_token": server.refresh_token,
        "account": USER,
    }
    assert grant.account == USER
    assert person.redirects == [("localhost", "/")]
    assert "redirect_uri=http%3A%2F%2Flocalhost%3A40404&" in pages[0]
    assert "prompt=select_account" in pages[0]
    assert "claims=" in pages[0]
    assert "offline_access" in pages[0]
    assert "response_mode=query" in pages[0]


def test_by_page_a_named_account(server):
    """Is proposed at the page, and checked afterwards."""
    pages = []

    def page(url):
        pages.append(url)
        return server.sign_in(url)

    log_in(server, "browser", page, account=USER.upper())
    server.username = "bob@contoso.example"
    failure = refused(server, "browser", page, account=USER)

    assert "login_hint=" in pages[0]
    assert "prompt=" not in pages[0]
    assert failure.kind is Kind.LOGIN_REQUIRED
    assert failure.message == (
        f'"gateway" needs a login (of "{USER}", not "bob@contoso.example"): '
        "run credward login gateway"
    )


def test_by_page_of_an_application_that_proves_itself(server):
    """Where public clients are not allowed: the proof goes along at login and at each mint."""
    server.needs_proof = True
    chosen = settings(server, flow="browser", client_secret=Reference(store="x"))
    asked = request(chosen, secrets={"client_secret": SECRET})
    grant = EntraProvider().login(asked, world(server, Person(server.sign_in)), "browser")
    asked = request(chosen, grant=grant.secret.reveal(), secrets={"client_secret": SECRET})
    io = world(server)

    assert EntraProvider().mint(asked, io).secret.reveal()
    assert len(io.grants) == 1
    assert [form["client_secret"] for form in server.forms()] == [SECRET] * 2
    with pytest.raises(BrokerError, match="run credward login gateway --method browser"):
        EntraProvider().login(asked, world(server, Person()), "device")


def test_by_page_of_an_application_that_should_prove_itself(server):
    """The registration is not one of a public client: both remedies are named."""
    server.needs_proof = True
    failure = refused(server, "browser", server.sign_in)

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "AADSTS7000218" in failure.message
    assert 'set client_secret and flow = "browser"' in failure.message


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"error": "access_denied", "error_description": "AADSTS65004: x"}, Kind.LOGIN_REQUIRED),
        ({"error": "consent_required"}, Kind.LOGIN_REQUIRED),
        ({"code": "x", "state": "another"}, Kind.PROVIDER_REFUSED),
        ({"code": "x"}, Kind.PROVIDER_REFUSED),
        ({}, Kind.PROVIDER_REFUSED),
    ],
)
def test_by_page_what_comes_back_is_checked(server, answer, kind):
    """A declined login, and one that was begun elsewhere."""
    assert refused(server, "browser", lambda _: answer).kind is kind
    assert server.forms() == []


def test_by_page_a_code_from_elsewhere(server):
    """The right state with a foreign code brings nothing."""

    def page(url):
        return server.sign_in(url) | {"code": "stolen"}

    failure = refused(server, "browser", page)

    assert failure.kind is Kind.LOGIN_REQUIRED
    assert "AADSTS54005" in failure.message


def test_by_code(server):
    """Polls at the server's pace, five seconds slower when told; never sleeps by itself."""
    server.pending = ["authorization_pending", "slow_down", "authorization_pending"]
    grant, person = log_in(server, "device")

    assert json.loads(grant.secret.reveal())["refresh_token"] == server.refresh_token
    assert person.codes == [("ABCD1234", "https://microsoft.com/devicelogin", None)]
    assert person.waits == [5, 5, 10, 10]


def test_by_code_in_vain(server):
    """Nobody comes, or somebody says no."""
    server.pending = ["authorization_pending"] * 1000
    failure = refused(server, "device")
    assert failure.kind is Kind.LOGIN_REQUIRED
    assert "the code has expired" in failure.message
    assert len(server.forms()) == 180

    server.pending = ["authorization_declined"]
    assert "(AADSTS70016, the login was declined)" in refused(server, "device").message


def test_by_code_where_it_is_not_allowed(server):
    """Conditional access, or a registration that is not public."""
    server.refusal = refusal(7000218, "invalid_client")
    failure = refused(server, "device")

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "allow public client flows" in failure.message


def test_without_a_refresh_token_there_is_no_grant(server, monkeypatch):
    """What is missing is said."""
    monkeypatch.setattr(type(server), "rotates", False)
    plain = type(server)._granted
    monkeypatch.setattr(
        type(server),
        "_granted",
        lambda self, form, **words: plain(self, form, **words | {"rotate": False}),
    )
    failure = refused(server, "device")

    assert failure.kind is Kind.FIX_CONFIGURATION
    assert "offline_access" in failure.message


def test_a_tenant_that_is_none(server):
    """Before a page is opened."""
    failure = refused(server, "browser", lambda _: pytest.fail("opened"), tenant="nosuch")

    assert "AADSTS90002" in failure.message


def test_h3_no_secret_in_a_failure(server):
    """Not the code that came back, nor what the server says."""
    server.refusal = refusal(99999, canary("error"))
    error = refused(server, "browser", server.sign_in)

    assert MARK not in error.message + error.failure.hint
