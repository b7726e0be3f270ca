"""Tokens of Entra ID: real msal against an authority on loopback, over TLS."""

from __future__ import annotations

import json
import logging
import time
import traceback

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.entra.provider import EntraProvider
from credward.providers.provider import HttpResponse
from credward.settings.entra import Settings
from credward.settings.references import Reference
from fakes.entra_server import CLIENT, SECRET, USER, entra_server, refusal
from fakes.io import FakeIo
from unit.providers.entra.world import SCOPE, failing, request, settings, world

STORED = Reference(store="secret")
OLD = canary("refresh-old")


@pytest.fixture
def server(tmp_path):
    """Return an authority that knows one refresh token."""
    with entra_server(tmp_path) as running:
        running.refresh_token = OLD
        yield running


def of_application(server, **words):
    """Return a request of an application with its secret."""
    return request(
        settings(server, client_secret=STORED, **words), secrets={"client_secret": SECRET}
    )


def of_user(server, refresh_token=OLD, *, narrowing=None, **words):
    """Return a request of a user who has logged in."""
    grant = json.dumps({"refresh_token": refresh_token, "account": USER})
    return request(settings(server, **words), grant=grant, **(narrowing or {}))


def test_an_application_by_its_secret(server):
    """One discovery and one token request; the end is the answer's, the log id its `uti`."""
    io = world(server)
    token = EntraProvider().mint(of_application(server), io)

    assert token.secret.reveal().startswith("eyJ")
    assert token.expires_at == pytest.approx(token.issued_at + 3600)
    assert token.upstream_id == "uti-1"
    assert token.audience == "api://litellm"
    (form,) = server.forms()
    assert (form["grant_type"], form["scope"]) == ("client_credentials", SCOPE)
    assert [each.method for each in io.requests] == ["GET", "POST"]
    assert all(each.url.startswith(server.https) for each in io.requests)


def test_a_user_with_rotation(server):
    """T8: the new refresh token is kept before the token is returned, its account with it."""
    io = world(server)
    token = EntraProvider().mint(of_user(server), io)

    assert token.secret.reveal()
    (grant,) = io.grants
    assert json.loads(grant.secret.reveal()) == {
        "refresh_token": server.refresh_token,
        "account": USER,
    }
    assert grant.account == USER
    assert server.refresh_token != OLD
    assert set(server.forms()[0]["scope"].split()) == {
        SCOPE, "openid", "profile", "offline_access",
    }  # fmt: skip


def test_t8_no_new_refresh_token_keeps_the_old_one(server):
    """Nothing is saved, so nothing is lost."""
    server.rotates = False
    io = world(server)

    assert EntraProvider().mint(of_user(server), io).secret.reveal()
    assert io.grants == []


@pytest.mark.parametrize("lifetime", [0, "NaN", [], None])
def test_t8_a_rotation_is_kept_whatever_is_wrong_with_the_token(server, lifetime):
    """The old refresh token may be used up by then: even where msal fails at the answer."""
    server.lifetime = lifetime
    io = world(server)
    failure = failing(of_user(server), io)

    assert failure.kind is Kind.PROVIDER_REFUSED
    assert [json.loads(each.secret.reveal())["refresh_token"] for each in io.grants] == [
        server.refresh_token
    ]


def test_t6_a_used_refresh_token_is_a_login(server):
    """A definite answer: no use is left in doubt."""
    EntraProvider().mint(of_user(server), world(server))
    error = failing(of_user(server), world(server))

    assert (error.kind, error.failure.sent) == (Kind.LOGIN_REQUIRED, "no")
    assert error.message == (
        '"gateway" needs a login (AADSTS50173, password changed or login revoked): '
        "run credward login gateway"
    )


def test_an_id_token(server):
    """It ends by its own `exp`, which is not the access token's."""
    token = EntraProvider().mint(of_user(server, token="id", scope=None), world(server))

    assert token.expires_at == pytest.approx(time.time() + 1800, abs=30)
    assert token.audience == CLIENT
    assert token.upstream_id == "uti-id"
    assert set(server.forms()[0]["scope"].split()) == {"openid", "profile", "offline_access"}


@pytest.mark.parametrize(
    ("narrowing", "asked"),
    [
        ({"audience": "api://other"}, {"api://other/.default"}),
        ({"scopes": ("Models.Read",)}, {"api://litellm/Models.Read"}),
        ({"audience": "api://other", "scopes": ("a", "b")}, {"api://other/a", "api://other/b"}),
        ({"scopes": ("api://x/y",)}, {"api://x/y"}),
    ],
)
def test_a_caller_narrows(server, narrowing, asked):
    """An audience and scopes of the request take the place of the configured ones."""
    EntraProvider().mint(of_user(server, narrowing=narrowing), world(server))

    assert asked == set(server.forms()[0]["scope"].split()) - {
        "openid",
        "profile",
        "offline_access",
    }


def test_claims_travel(server):
    """What is configured is asked for, by users and by applications."""
    claims = '{"access_token":{"acrs":{"value":"c1"}}}'
    EntraProvider().mint(of_user(server, claims=claims), world(server))
    EntraProvider().mint(of_application(server, claims=claims), world(server))

    assert [json.loads(form["claims"]) for form in server.forms()] == [json.loads(claims)] * 2


def test_a_claims_challenge_is_a_login_that_has_to_meet_it(server):
    """The claims go to whoever brings the user through the login."""
    server.refusal = refusal(
        50076, "invalid_grant", suberror="basic_action", claims='{"access_token":{"x":{}}}'
    )
    error = failing(of_user(server), world(server))

    assert error.kind is Kind.LOGIN_REQUIRED
    assert "AADSTS50076" in error.message
    assert error.failure.challenge == '{"access_token":{"x":{}}}'
    assert "0b0b0b0b-0000" in error.failure.hint


def test_on_behalf_of_a_user(server):
    """The application proves itself, and presents the user's token."""
    chosen = settings(server, client_secret=STORED, on_behalf_of=STORED)
    secrets = {"client_secret": SECRET, "on_behalf_of": "user-token"}
    token = EntraProvider().mint(request(chosen, secrets=secrets), world(server))
    failure = failing(request(chosen, secrets=secrets | {"on_behalf_of": "x"}), world(server))

    assert token.secret.reveal()
    assert server.forms()[0]["assertion"] == "user-token"
    assert "AADSTS50013" in failure.message
    assert "renew what on_behalf_of points at" in failure.message


def test_without_a_login_nothing_is_dialled(server):
    """A grant that is none is as good as absent."""
    for grant in (None, "", "{}", '{"refresh_token": ""}', "[1] 2"):
        failure = failing(request(settings(server), grant=grant), FakeIo())

        assert failure.kind is Kind.LOGIN_REQUIRED
        assert failure.message.endswith("run credward login gateway")


def test_a_tenant_that_is_none(server):
    """Entra ID says so at discovery, before the grant is sent."""
    error = failing(of_user(server, tenant="nosuch"), world(server))

    assert (error.kind, error.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert "AADSTS90002" in error.message
    assert server.forms() == []


@pytest.mark.parametrize(
    ("raw", "kind", "sent", "retry_after"),
    [
        ((429, {"Retry-After": "17"}, b"{}"), Kind.RATE_LIMITED, "no", 17),
        ((503, {"Retry-After": "9"}, b"<html>"), Kind.PROVIDER_UNREACHABLE, "maybe", 9),
        ((500, {}, b"{}"), Kind.PROVIDER_UNREACHABLE, "maybe", None),
        ((200, {}, b"<html>login to this network</html>"), Kind.PROVIDER_REFUSED, "maybe", None),
        ((200, {}, b"[]"), Kind.PROVIDER_REFUSED, "maybe", None),
        ((200, {}, b"{}"), Kind.PROVIDER_REFUSED, "maybe", None),
        ((200, {}, b'{"access_token": 7}'), Kind.PROVIDER_REFUSED, "maybe", None),
        ((302, {"Location": "/"}, b""), Kind.FIX_CONFIGURATION, "maybe", None),
        ((0, {}, b""), Kind.PROVIDER_UNREACHABLE, "maybe", None),
    ],
)
def test_answers_that_are_none(server, raw, kind, sent, retry_after):
    """Each is a closed kind, and says whether the grant may have been used."""
    server.raw = raw
    error = failing(of_user(server), world(server))

    assert (error.kind, error.failure.sent, error.failure.retry_after) == (kind, sent, retry_after)
    assert error.message.startswith('"gateway" ')


@pytest.mark.parametrize(
    "raw",
    [(503, {}, b""), (200, {}, b"<html>"), (200, {}, b"{}"), (404, {}, b"no"), (0, {}, b"")],
)
def test_t8_what_fails_before_the_grant_is_sent_says_so(server, raw):
    """Discovery uses no grant: it is not left in doubt."""
    server.raw_discovery = raw
    error = failing(of_user(server), world(server))

    assert error.failure.sent == "no"
    assert server.forms() == []


@pytest.mark.parametrize(
    ("lifetime", "complaint"),
    [
        (0, "expired already"),
        (-5, "expired already"),
        (10**12, "more than ten years"),
        ("NaN", "not one of Entra ID"),
        ([], "not one of Entra ID"),
    ],
)
def test_t7_an_absurd_end_is_refused(server, lifetime, complaint):
    """Never a token that would be kept beyond its end."""
    server.lifetime = lifetime
    with pytest.raises(BrokerError, match=complaint):
        EntraProvider().mint(of_application(server), world(server))


def test_a_login_of_what_has_none(server):
    """Applications and az log in elsewhere."""
    for chosen, remedy in (
        (settings(server, client_secret=STORED), "nothing to do"),
        (Settings(source="az", scope=SCOPE), "run az login"),
    ):
        with pytest.raises(BrokerError, match=remedy):
            EntraProvider().login(request(chosen), world(server), "device")


def test_h3_no_secret_gets_out(server, caplog):
    """Not by messages, hints, causes or msal's own log."""
    caplog.set_level(logging.DEBUG)
    for raw in (None, (200, {}, f'"{canary("x")}"'.encode()), (200, {}, canary("y").encode())):
        server.raw = raw
        for code in (50173, 7000215, 12345):
            server.refusal = refusal(code)
            for token_request in (of_user(server), of_application(server)):
                error = failing(token_request, world(server))
                shown = "".join(traceback.format_exception(error)) + error.failure.hint
                assert MARK not in shown
                assert MARK not in repr(error)
    assert MARK not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("msal")
    )


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
FIELDS = ("access_token", "expires_in", "refresh_token", "id_token", "client_info", "scope", "error",
          "error_codes", "error_description", "claims", "refresh_in", "token_type")  # fmt: skip


@given(
    answer=st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
    status=st.sampled_from([200, 400, 401]),
)
@hypothesis_settings(max_examples=150, deadline=None)
def test_t6_any_answer_is_a_token_or_a_failure(answer, status):
    """With msal in between; and a new refresh token is kept, whatever else was in the answer."""
    place = {
        f"{name}_endpoint": f"https://login.example.com/t/{name}"
        for name in ("token", "authorization", "device_authorization")
    }

    def reply(http_request):
        body = place if http_request.method == "GET" else answer
        code = 200 if http_request.method == "GET" else status
        return HttpResponse(status=code, headers={}, body=json.dumps(body).encode())

    io = FakeIo(server=reply)
    chosen = Settings(client_id=CLIENT, authority="https://login.example.com/t", scope=SCOPE)
    try:
        token = EntraProvider().mint(request(chosen, grant='{"refresh_token": "old"}'), io)
    except BrokerError as failure:
        assert failure.message.startswith('"gateway" ')
        assert "\n" not in failure.message
    else:
        assert status == 200
        assert token.expires_at > io.time
        assert token.secret.reveal().isprintable()
    rotated = answer.get("refresh_token") if status == 200 and "error" not in answer else None
    if not isinstance(rotated, str) or rotated in {"", "old"} or not valid_json(answer):
        assert io.grants == []
    else:
        assert json.loads(io.grants[0].secret.reveal())["refresh_token"] == rotated


def valid_json(answer):
    """Tell whether the answer is JSON by the letter: Python writes NaN, and half characters."""
    try:
        return json.dumps(answer, allow_nan=False, ensure_ascii=False).encode() != b""
    except ValueError:
        return False
