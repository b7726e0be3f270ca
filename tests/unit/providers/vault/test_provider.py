"""When a login is kept, renewed or repeated, and when a lease is: against a server with a clock."""

from __future__ import annotations

import json

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.provider import ProviderRequest
from credward.providers.vault.client import make_client
from credward.providers.vault.provider import VaultProvider
from credward.providers.vault.state import load_state
from credward.tokens import Secret
from fakes.io import NOW
from unit.providers.vault.world import new_world

LOGIN = "auth/approle/login"
RENEW = "auth/token/renew-self"


@pytest.fixture
def world():
    """Return a world with an AppRole, a stored key and a database."""
    with new_world() as made:
        made.server.kv2["llm"] = {"api_key": "key-1"}
        made.server.dynamic["database/creds/app"] = {"username": "u{n}", "password": "p{n}"}
        made.approle()
        yield made


# --- the server's token


def test_logs_in_once_and_goes_on_with_that(world):
    """The token is kept as the grant; a stored secret is read anew each time."""
    first = world.mint(path="secret/llm", field="api_key")
    world.server.kv2["llm"]["api_key"] = "key-2"
    world.wait(200)
    second = world.mint(path="secret/llm", field="api_key")

    assert [each.secret.reveal() for each in (first, second)] == ["key-1", "key-2"]
    assert world.server.paths().count(LOGIN) == 1


def test_a_token_is_renewed_when_half_its_life_is_over(world):
    """By what it was given at login, so that it lives on."""
    world.mint(path="secret/llm")
    world.wait(700)
    world.mint(path="secret/llm")

    assert world.server.paths().count(RENEW) == 1
    assert world.server.paths().count(LOGIN) == 1
    kept = json.loads(world.grant.reveal())["token"]
    assert kept["expires_at"] == NOW + 700 + 1200


def test_a_token_near_its_maximum_is_replaced(world):
    """A renewal that brings less than half a life is the last."""
    world.mint(path="secret/llm")
    for _ in range(4):
        world.wait(800)
        world.mint(path="secret/llm")

    assert world.server.paths().count(RENEW) == 4
    assert world.server.paths().count(LOGIN) == 2


@pytest.mark.parametrize("how", ["expired", "revoked", "not renewable"])
def test_a_token_that_is_gone_is_replaced(world, how):
    """By one more login; the caller sees none of it."""
    world.server.token_renewable = how != "not renewable"
    world.mint(path="secret/llm")
    if how == "revoked":
        world.server.revoke(next(iter(world.server.tokens)))
    world.wait(1300 if how == "expired" else 700)

    assert world.mint(path="secret/llm").secret.reveal() == "key-1"
    assert world.server.paths().count(LOGIN) == 2


def test_a_revoked_token_is_noticed_before_its_renewal(world):
    """The read is denied, the token is found dead, and the read is made with a new one."""
    world.mint(path="secret/llm")
    world.server.revoke(next(iter(world.server.tokens)))
    world.wait(10)

    assert world.mint(path="secret/llm").secret.reveal() == "key-1"
    assert world.server.paths().count(LOGIN) == 2


def test_a_path_that_is_denied_is_no_reason_to_log_in(world):
    """The token is alive; the policy is what says no."""
    world.server.denied.add("secret/data/llm")
    world.mint(path=None)
    error = world.failure(path="secret/llm")

    assert error.kind is Kind.FIX_CONFIGURATION
    assert 'denies "secret/llm" (status 403)' in error.message
    assert world.server.paths().count(LOGIN) == 1


def test_a_login_is_kept_though_the_read_fails(world):
    """Else each attempt would leave another token behind."""
    world.failure(path="secret/nothing")
    world.failure(path="secret/nothing")

    assert world.server.paths().count(LOGIN) == 1


def test_a_login_of_another_configuration_is_not_used(world):
    """Another role is another login."""
    world.mint(path="secret/llm")
    world.server.logins["approle"] = {"role_id": "role-2"}
    world.mint(path="secret/llm", role_id="role-2")

    assert world.server.paths().count(LOGIN) == 2


def test_what_is_kept_may_be_damaged(world):
    """A new login repairs it."""
    world.grant = Secret("{")

    assert world.mint(path="secret/llm").secret.reveal() == "key-1"


# --- the token itself


def test_without_a_path_the_token_itself_is_handed_out(world):
    """With its own end, renewed in time."""
    first = world.mint()
    world.wait(500)
    second = world.mint()

    assert first.secret.reveal() == second.secret.reveal()
    assert (first.expires_at, second.expires_at) == (NOW + 1200, NOW + 500 + 1200)
    assert first.upstream_id.startswith("accessor-")


def test_another_token_for_one_that_is_rejected_at_once(world):
    """Whoever asks that early does not want the same one; a dead one is replaced at any time."""
    first = world.mint()
    world.wait(10)
    second = world.mint()
    world.server.revoke(second.secret.reveal())
    world.wait(400)
    third = world.mint()

    assert len({each.secret.reveal() for each in (first, second, third)}) == 3


# --- a life of 0


@pytest.mark.parametrize("itself", [True, False])
def test_g1_a_renewal_in_the_last_second_is_no_life_without_an_end(world, itself):
    """The server rounds down: a renewed life of 0 ends now, and another login follows."""
    words = {} if itself else {"path": "secret/llm"}
    for _ in range(5):
        world.mint(**words)
        world.wait(700)
    world.wait(99.5)
    token = world.mint(**words)

    assert world.server.paths().count(LOGIN) == 2
    assert json.loads(world.grant.reveal())["token"]["expires_at"] == world.io.now() + 1200
    assert token.expires_at == world.io.now() + (1200 if itself else 300)


def test_g1_a_given_token_in_its_last_second_has_expired(world):
    """It answers `ttl: 0` as a token without an end does; its `expire_time` tells them apart."""
    world.words = {"token": world.give("token", world.server.new_token(ttl=500, renewable=False))}
    world.wait(499.5)
    for path in (None, "secret/llm", "database/creds/app"):
        error = world.failure(path=path)
        assert error.kind is Kind.FIX_CONFIGURATION
        assert "its token, which has expired or was revoked" in error.message


def test_g1_a_given_token_whose_renewal_brings_nothing_has_expired(world):
    """The same, where its maximum is what is over."""
    world.server.token_max_ttl = 500
    world.words = {"token": world.give("token", world.server.new_token(ttl=500))}
    world.wait(499.5)

    assert "has expired or was revoked" in world.failure(path="secret/llm").message


def test_g1_a_renewal_past_the_longest_life_is_no_outage(world):
    """OpenBao answers 500 to it: another login, another lease."""
    first = world.mint(path="database/creds/app")
    world.server.broken = "sys/leases/renew"
    world.server.broken_error = "1 error occurred:\n\t* past the max TTL, cannot renew\n\n"
    world.wait(400)
    second = world.mint(path="database/creds/app")
    assert first.secret.reveal() != second.secret.reveal()
    world.server.broken = RENEW
    world.wait(400)
    world.mint(path="database/creds/app")

    assert world.server.paths().count(LOGIN) == 2


def test_g1_a_humans_login_in_its_last_second_needs_another(world):
    """Whatever its token is used for."""
    world.words = {"auth_method": "oidc"}
    text = world.server.new_token(ttl=500, renewable=False)
    state = {
        "belongs_to": load_state(make_client("kv", world.request().settings, world.io), None),
        "token": {"id": text, "expires_at": NOW + 500, "ttl": 500.0, "renewable": True},
    }
    state["belongs_to"] = state["belongs_to"].belongs_to
    world.grant = Secret(json.dumps(state))
    world.server.tokens[text].renewable = True
    world.server.tokens[text].ends_at = NOW + 500
    world.wait(499.5)

    assert world.failure(path="secret/llm").kind is Kind.LOGIN_REQUIRED


# --- leases


def test_a_lease_is_renewed_and_its_secret_handed_on(world):
    """Its end is the lease's, never later than the token's."""
    first = world.mint(path="database/creds/app")
    world.wait(400)
    second = world.mint(path="database/creds/app")

    assert first.secret.reveal() == second.secret.reveal() == "u1:p1"
    assert first.kind == "basic"
    assert (first.expires_at, second.expires_at) == (NOW + 600, NOW + 400 + 600)
    assert world.server.paths().count("sys/leases/renew") == 1


def test_a_lease_near_its_maximum_is_replaced(world):
    """A new secret in time, not the old one until it ends under somebody."""
    names = []
    for _ in range(5):
        token = world.mint(path="database/creds/app")
        assert token.expires_at - world.io.now() >= 300
        names.append(token.secret.reveal())
        world.wait(400)

    assert len(set(names)) == 2


@pytest.mark.parametrize("drops", [False, True])
def test_a_lease_that_was_replaced_is_revoked_where_that_is_wanted(world, drops):
    """Otherwise it ends by itself, for callers may still use it."""
    first = world.mint(path="database/creds/app", revoke_on_drop=drops)
    world.wait(10)
    second = world.mint(path="database/creds/app", revoke_on_drop=drops)

    assert first.secret.reveal() != second.secret.reveal()
    assert world.server.paths().count("sys/leases/revoke") == drops
    assert len(world.server.leases) == (1 if drops else 2)


def test_a_revocation_that_fails_costs_no_new_lease(world):
    """It is said, and the new one is kept."""
    world.mint(path="database/creds/app", revoke_on_drop=True)
    world.wait(10)
    world.server.broken = "sys/leases/revoke"
    token = world.mint(path="database/creds/app", revoke_on_drop=True)
    world.wait(400)

    assert world.io.warnings == ["could not revoke its previous lease, which ends by itself"]
    again = world.mint(path="database/creds/app", revoke_on_drop=True)
    assert again.secret.reveal() == token.secret.reveal()


@pytest.mark.parametrize("how", ["revoked", "not renewable", "asked at once", "another path"])
def test_a_lease_that_is_of_no_use_is_replaced(world, how):
    """Whatever the reason."""
    world.server.lease_renewable = how != "not renewable"
    world.server.dynamic["database/creds/other"] = {"username": "o{n}", "password": "x"}
    first = world.mint(path="database/creds/app")
    if how == "revoked":
        world.server.leases.clear()
    world.wait(10 if how == "asked at once" else 400)
    path = "database/creds/other" if how == "another path" else "database/creds/app"

    assert world.mint(path=path).secret.reveal() != first.secret.reveal()


def test_a_lease_ends_with_its_token(world):
    """The smaller end is told; a longer life of the token makes it later, with the same secret."""
    world.server.lease_ttl, world.server.lease_max_ttl = 3000, 9000
    first = world.mint(path="database/creds/app")
    world.wait(900)
    second = world.mint(path="database/creds/app")

    assert (first.expires_at, second.expires_at) == (NOW + 1200, NOW + 900 + 1200)
    assert first.secret.reveal() == second.secret.reveal()


def test_a_new_login_takes_a_new_lease(world):
    """The old one dies with the old token."""
    first = world.mint(path="database/creds/app")
    world.server.revoke(next(iter(world.server.tokens)))
    world.wait(400)

    assert world.mint(path="database/creds/app").secret.reveal() != first.secret.reveal()


def test_a_secret_that_ends_before_its_lease_is_replaced(world):
    """By the end that it tells of itself."""
    data = world.server.dynamic["kubernetes/creds/app"] = {"token": "t{n}"}
    data["expires_at_seconds"] = int(NOW) + 500
    first = world.mint(path="kubernetes/creds/app")
    assert first.expires_at == int(NOW) + 500
    for waited, name in ((400, "t2"), (550, "t3")):
        world.wait(waited)
        data["expires_at_seconds"] = int(world.io.time) + 500
        assert world.mint(path="kubernetes/creds/app").secret.reveal() == name


def test_a_given_token_leases_too(world):
    """The token is not kept, its lease is."""
    world.words = {"token": world.give("token", world.server.new_token(ttl=0))}
    first = world.mint(path="database/creds/app")
    world.wait(400)
    second = world.mint(path="database/creds/app")

    assert first.secret.reveal() == second.secret.reveal()
    assert world.secrets["token"].reveal() not in world.grant.reveal()


# --- the end


def test_revoking_takes_back_leases_and_token(world):
    """What is gone already is as good as revoked."""
    world.mint(path="database/creds/app")
    VaultProvider().revoke(world.request(), world.io)

    assert world.server.tokens == {}
    assert world.server.leases == {}
    VaultProvider().revoke(world.request(), world.io)


def test_revoking_leaves_a_given_token_alone(world):
    """It is not ours; its leases are."""
    text = world.server.new_token()
    world.words = {"token": world.give("token", text)}
    world.mint(path="database/creds/app")
    VaultProvider().revoke(world.request(), world.io)

    assert list(world.server.tokens) == [text]
    assert world.server.leases == {}


def test_revoking_nothing_asks_nobody(world):
    """No grant, no request."""
    VaultProvider().revoke(world.request(), world.io)

    assert world.server.asked == []


# --- failures


@pytest.mark.parametrize(
    ("change", "kind", "sent", "word"),
    [
        ({"sealed": True}, Kind.PROVIDER_UNREACHABLE, "no", "is sealed"),
        ({"status": 307}, Kind.PROVIDER_UNREACHABLE, "no", "on standby"),
        ({"status": 429}, Kind.RATE_LIMITED, "no", "on standby"),
        ({"status": 473}, Kind.PROVIDER_UNREACHABLE, "no", "replica"),
        ({"status": 500}, Kind.PROVIDER_UNREACHABLE, "maybe", "status 500"),
        ({"namespace": "team"}, Kind.FIX_CONFIGURATION, "no", "does not know the login"),
    ],
)
def test_a_server_that_cannot_is_told_from_one_that_will_not(world, change, kind, sent, word):
    """At the login, as for everything later."""
    for name, value in change.items():
        setattr(world.server, name, value)
    error = world.failure(path="secret/llm")

    assert (error.kind, error.failure.sent) == (kind, sent)
    assert word in error.message


@pytest.mark.parametrize(
    ("answer", "words", "line"),
    [
        (
            {"errors": ["namespace not found"]},
            {"namespace": "team"},
            'has no namespace "team": correct namespace',
        ),
        (
            {"errors": ['no handler for route "auth/approle/login". route entry not found.']},
            {},
            'does not know the login by approle at "approle": correct auth_mount, or namespace',
        ),
        (
            {"errors": ['no handler for route "auth/namespaces/login". route entry not found.']},
            {},
            'does not know the login by approle at "approle": correct auth_mount, or namespace',
        ),
    ],
)
def test_g4_what_is_not_there_is_said_in_words(world, answer, words, line):
    """G4: a namespace, and a method that is mounted elsewhere."""
    world.server.status, world.server.answer = 404, answer

    assert (
        world.failure(path="secret/llm", **words).message == f'"kv" got no token, 127.0.0.1 {line}'
    )


def test_t6_a_sealed_server_does_not_cost_the_login(world):
    """The kept token is good for later."""
    world.mint(path="secret/llm")
    world.server.sealed = True
    world.wait(200)
    assert "is sealed" in world.failure(path="secret/llm").message
    world.server.sealed = False

    assert world.mint(path="secret/llm").secret.reveal() == "key-1"
    assert world.server.paths().count(LOGIN) == 1


def test_namespaces_travel_with_every_request(world):
    """From the settings, or from the variable that the command line reads."""
    world.server.namespace = "team/a"
    assert world.mint(path="secret/llm", namespace="team/a").secret.reveal() == "key-1"
    world.io.environ["VAULT_NAMESPACE"] = "team/a"
    assert world.mint(path="secret/llm").secret.reveal() == "key-1"


def test_nothing_is_narrowed(world):
    """Role and path decide."""
    for asked in ({"scopes": ("a",)}, {"audience": "a"}):
        request = ProviderRequest(credential="kv", settings=world.request().settings, **asked)
        with pytest.raises(BrokerError, match="cannot be narrowed"):
            VaultProvider().mint(request, world.io)


def test_h3_nothing_that_the_server_says_gets_into_a_message(world):
    """Its errors may quote what was sent."""
    world.server.answer = {"errors": [canary("body")], "warnings": [canary("warning")]}
    for status in (200, 307, 400, 403, 404, 405, 412, 429, 500, 501, 503):
        world.server.status = status
        error = world.failure(path="secret/llm")
        assert MARK not in repr(error) + error.failure.hint


def test_a_failing_read_does_not_forget_the_lease(world):
    """It is renewed once the server can again."""
    first = world.mint(path="database/creds/app")
    world.wait(400)
    world.server.sealed = True
    world.failure(path="database/creds/app")
    world.server.sealed = False

    assert world.mint(path="database/creds/app").secret.reveal() == first.secret.reveal()


def test_what_has_ended_is_not_kept(world):
    """Else the grant would grow with every path that was ever read."""
    world.mint(path="database/creds/app")
    world.wait(700)
    world.mint(path="secret/llm")

    assert json.loads(world.grant.reveal())["leases"] == {}
