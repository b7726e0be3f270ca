"""The exchange as two pure functions, by table."""

from __future__ import annotations

import json

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.anthropic.exchange import build_http_request, read_http_response
from credward.providers.provider import HttpResponse
from credward.settings.anthropic import Settings
from fakes.io import NOW

SETTINGS = Settings(
    federation_rule_id="fdrl_1",
    organization_id="7c9e6679-7425-40de-944b-e07fc1f90ae7",
    identity="jwt",
)
GOOD = {"access_token": "sk-ant-oat01-x", "token_type": "Bearer", "expires_in": 600}


def read(status=200, body=None, **headers):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = HttpResponse(status=status, headers={"request-id": "req_1"} | headers, body=raw)
    return read_http_response("claude", SETTINGS, answer, NOW)


def test_sends_what_the_documentation_says_and_no_more():
    """No scope, no empty field; both betas; the public endpoint."""
    sent = build_http_request(SETTINGS, "the.jwt.itself")

    assert (sent.method, sent.url) == ("POST", "https://api.anthropic.com/v1/oauth/token")
    assert sent.headers["anthropic-beta"] == "oauth-2025-04-20,oidc-federation-2026-04-01"
    assert json.loads(sent.body) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": "the.jwt.itself",
        "federation_rule_id": "fdrl_1",
        "organization_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    }


@pytest.mark.parametrize("kind", ["Bearer", "bearer"])
def test_reads_the_token_and_its_truthful_end(kind):
    """Counted from when the request was sent."""
    token = read(body=GOOD | {"token_type": kind})

    assert token.secret.reveal() == "sk-ant-oat01-x"
    assert (token.issued_at, token.expires_at) == (NOW, NOW + 600)
    assert (token.kind, token.upstream_id) == ("bearer", "req_1")


def code(name, text="secret text"):
    return {"type": "error", "error": {"type": name, "message": text}}


@pytest.mark.parametrize(
    ("status", "body", "kind", "sent"),
    [
        # The current generation of errors.
        (400, code("invalid_request_error"), Kind.FIX_CONFIGURATION, "no"),
        (401, code("authentication_error"), Kind.PROVIDER_REFUSED, "no"),
        # The older one.
        (400, {"error": "invalid_request"}, Kind.FIX_CONFIGURATION, "no"),
        (400, {"error": "invalid_grant"}, Kind.PROVIDER_REFUSED, "no"),
        # And whatever else there may be.
        (400, b"", Kind.FIX_CONFIGURATION, "no"),
        (400, [], Kind.FIX_CONFIGURATION, "no"),
        (400, {"error": {"type": 5}}, Kind.FIX_CONFIGURATION, "no"),
        (401, b"<html>", Kind.PROVIDER_REFUSED, "no"),
        (403, b"<html>", Kind.PROVIDER_REFUSED, "no"),
        (404, b"", Kind.FIX_CONFIGURATION, "no"),
        (302, b"", Kind.FIX_CONFIGURATION, "no"),
        (429, code("rate_limit_error"), Kind.RATE_LIMITED, "no"),
        (500, b"", Kind.PROVIDER_UNREACHABLE, "maybe"),
        (529, code("overloaded_error"), Kind.PROVIDER_UNREACHABLE, "maybe"),
        (200, b"<html>", Kind.PROVIDER_REFUSED, "maybe"),
        (200, b"[]", Kind.PROVIDER_REFUSED, "maybe"),
        (200, {}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"access_token": ""}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"access_token": "a\nb"}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"token_type": "mac"}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"expires_in": None}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"expires_in": True}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"expires_in": 0}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"expires_in": -1}, Kind.PROVIDER_REFUSED, "maybe"),
        (200, GOOD | {"expires_in": 3_600_000}, Kind.PROVIDER_REFUSED, "maybe"),
    ],
)
def test_t7_every_other_answer_is_a_failure_of_a_closed_kind(status, body, kind, sent):
    """Never an empty or endless token as success."""
    with pytest.raises(BrokerError) as caught:
        read(status, body)

    assert (caught.value.kind, caught.value.failure.sent) == (kind, sent)
    assert caught.value.message.startswith('"claude" got no token, ')
    assert "secret text" not in caught.value.message + caught.value.failure.hint


def test_a_refused_jwt_points_to_the_history():
    """The endpoint itself tells nobody why; the request id finds the line."""
    with pytest.raises(BrokerError, match="next attempt uses a new one") as caught:
        read(401, code("authentication_error"))

    assert "federation history of the Console" in caught.value.message
    assert "req_1" in caught.value.message
    assert "unknown federation_rule_id" in caught.value.failure.hint


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("soon", None), ("9" * 9, None)])
def test_a_wait_that_was_asked_for_is_passed_on(header, seconds):
    """In seconds; anything else is left to the back-off."""
    for status in (429, 503):
        with pytest.raises(BrokerError) as caught:
            read(status, b"", **{"retry-after": header})
        assert caught.value.failure.retry_after == seconds


def test_h3_nothing_of_an_answer_gets_into_a_message():
    """Nor of its headers, unless they look like a request id."""
    secret = canary("body")
    for status in (200, 302, 400, 401, 403, 404, 429, 500):
        with pytest.raises(BrokerError) as caught:
            read(
                status,
                {"error": secret, "access_token": f"{secret}\n"},
                **{"request-id": f"<{secret}>"},
            )
        assert MARK not in repr(caught.value) + caught.value.failure.hint
