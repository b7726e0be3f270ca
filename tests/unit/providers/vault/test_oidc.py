"""A login in the browser, with the server as the client of the identity provider."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.vault.provider import VaultProvider
from fakes.io import NOW
from unit.providers.vault.world import new_world

REDIRECT = "http://localhost:8250/oidc/callback"


@dataclass
class Browser:
    """A user who logs in at the identity provider, and comes back with *query*."""

    io: object
    query: dict[str, str] = field(default_factory=lambda: {"code": "code-1"})
    keeps_state: bool = True
    listened: list[object] = field(default_factory=list)

    def __getattr__(self, name):
        return getattr(self.io, name)

    def receive_redirect(self, make_url, *, path, host, ports):
        self.listened.append((path, host, tuple(ports)))
        url = make_url(f"http://{host}:{ports[0]}{path}")
        state = parse_qs(urlsplit(url).query)["state"][0]
        return self.query | ({"state": state} if self.keeps_state else {"state": "other"})


@pytest.fixture
def world():
    """Return a world with a role that a human may take."""
    with new_world() as made:
        made.server.logins["oidc"] = {"role": "dev", "code": "code-1"}
        made.server.redirect_uris.add(REDIRECT)
        made.server.kv2["llm"] = {"key": "key-1"}
        made.words = {"auth_method": "oidc", "role": "dev", "path": "secret/llm"}
        yield made


def login(world, **options):
    return VaultProvider().login(world.request(), Browser(world.io, **options), "browser")


def test_t9_one_login_lasts_until_its_token_cannot_be_renewed(world):
    """Mints go on with it; afterwards the next login is asked for by its command."""
    grant = login(world)
    world.grant = grant.secret
    assert (grant.account, grant.ends_at) == ("me@example.com", None)
    for _ in range(3):
        assert world.mint().secret.reveal() == "key-1"
        world.wait(800)
    world.wait(2000)
    error = world.failure()

    assert error.kind is Kind.LOGIN_REQUIRED
    assert "run credward login kv" in error.message


def test_listens_where_roles_allow_it_already(world):
    """Path and port of the vendors' command line."""
    browser = Browser(world.io)
    VaultProvider().login(world.request(), browser, "browser")

    assert browser.listened == [("/oidc/callback", "localhost", (8250,))]


def test_a_token_that_cannot_be_renewed_tells_its_end(world):
    """So that the user is warned in time."""
    world.server.token_renewable = False

    assert login(world).ends_at == NOW + 1200


def test_a_token_with_a_longest_life_tells_its_end(world):
    """So that nobody starts a long run with it."""
    world.server.explicit_max_ttl = 7200

    assert login(world).ends_at == NOW + 7200


def test_a_revoked_login_is_asked_for_again(world):
    """And not before it is known to be dead."""
    world.grant = login(world).secret
    world.server.revoke(json.loads(world.grant.reveal())["token"]["id"])

    assert world.failure().kind is Kind.LOGIN_REQUIRED


def test_a_role_that_is_not_known_or_does_not_allow_the_redirect(world):
    """The server does not tell which."""
    world.server.redirect_uris.clear()
    with pytest.raises(BrokerError, match="allowed_redirect_uris") as caught:
        login(world)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


@pytest.mark.parametrize(
    "options",
    [
        {"query": {"error": "access_denied"}},
        {"query": {}},
        {"query": {"code": "code-1"}, "keeps_state": False},
    ],
)
def test_a_login_that_went_wrong_can_be_repeated(world, options):
    """Refused by the user, nothing at all, an answer that belongs to another login."""
    with pytest.raises(BrokerError, match="run credward login kv") as caught:
        login(world, **options)

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert not any("callback" in path for path in world.server.paths())


def test_a_wrong_code_is_refused_by_the_server(world):
    """Without a word of its own getting through."""
    with pytest.raises(BrokerError, match="refuses the login by oidc"):
        login(world, query={"code": "code-2"})


def test_other_methods_need_no_browser(world):
    """And no other way of logging in is offered."""
    world.approle()
    with pytest.raises(BrokerError, match="needs no login of this kind"):
        login(world)
