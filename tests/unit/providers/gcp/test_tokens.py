"""Bad answers of Google's: each is one failure, and nothing of it is repeated."""

from __future__ import annotations

import json
import time
import traceback

import jwt
import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.gcp.provider import GcpProvider
from credward.providers.provider import ProviderRequest
from credward.settings.gcp import AccessBoundaryRule, Settings
from credward.settings.references import Reference
from credward.tokens import Secret
from fakes.google_server import (
    KEY,
    TARGET,
    external_account,
    make_io,
    service_account,
)

JSON = {"Content-Type": "application/json"}
RULE = AccessBoundaryRule(availableResource="r", availablePermissions=("inRole:r",))


def mint(google, **words):
    """Mint once with a service account key."""
    if "source" not in words and "external_account" not in words:
        words["service_account_key"] = Reference(store="k")
    request = ProviderRequest(
        credential="vertex",
        settings=Settings(timeout=2, **words),
        secrets={"service_account_key": Secret(json.dumps(service_account()))},
    )
    return GcpProvider().mint(request, make_io(google, {}))


def refusal(google, **words):
    """Return the failure of one mint, after a look that it holds no canary, not even as its cause."""
    with pytest.raises(BrokerError) as caught:
        mint(google, **words)
    error = caught.value
    shown = "".join(traceback.format_exception_only(error)) + repr(error)
    assert MARK not in shown + str(error.__cause__) + str(error.__context__)
    return error


# Where an answer may go wrong, and the words that lead there.
STEPS = {
    "oauth2.googleapis.com/token": {},
    "sts.googleapis.com": {"access_boundary": (RULE,)},
    "generateAccessToken": {"impersonate_service_account": TARGET},
    "generateIdToken": {"impersonate_service_account": TARGET, "token": "id", "audience": "a"},
    "service-accounts/default/token": {"source": "metadata"},
    "service-accounts/default/identity": {"source": "metadata", "token": "id", "audience": "a"},
}


# What all of Google's ways begin with, but for one.
QUICK = {"oauth2.googleapis.com/token", "service-accounts/default/token"}
ENDLESS = [
    b'{"access_token": "%s", "accessToken": "%s", "token": "%s"}',
    b'{"access_token": "%s", "expires_in": 0, "accessToken": "%s", "expireTime": "2001-01-01T00:00:00Z"}',
    b'{"access_token": "%s", "expires_in": [], "token": "eyJ%s.%s.%s"}',
]


BAD = [
    b"",
    b"null",
    b"[" * 60_000,
    b"[]",
    b"7",
    b'"text"',
    b"{}",
    b'{"access_token": "tok',
    b"\xff\xfe",
    b"<html>%s",
    b'{"error": "%s"}',
    b'{"access_token": null, "accessToken": null, "token": null, "expires_in": 60}',
    b'{"access_token": {"%s": 1}, "token": ["%s"], "expires_in": 60}',
    b'{"access_token": "", "token": "", "expires_in": 60}',
    b'{"access_token": "%s\\n", "token": "%s\\n", "expires_in": 60}',
    b'{"access_token": "%s", "expires_in": "%s", "accessToken": "%s", "expireTime": "%s"}',
    b'{"access_token": "%s", "expires_in": -60, "accessToken": "%s", "expireTime": null}',
    b'{"access_token": "%s", "expires_in": 1e300, "accessToken": "%s", "expireTime": "9999-01-01T00:00:00Z"}',
    b'{"access_token": "%s", "expires_in": 999999999, "accessToken": "%s", "expireTime": 7}',
]


@pytest.mark.parametrize(
    ("step", "body"),
    [
        pytest.param(step, body, marks=() if step in QUICK else pytest.mark.slow)
        for step in STEPS
        for body in (*BAD, *ENDLESS)
        # There the end is that of the source, see below.
        if step != "sts.googleapis.com" or body not in ENDLESS
    ],
)
def test_t6_a_success_that_is_none(google, step, body):
    """Refused, with the doubt whether a token was made."""
    secret = canary("answer").encode()
    google.bad[step] = (200, JSON, body.replace(b"%s", secret))
    error = refusal(google, **STEPS[step])

    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("status", "kind", "sent"),
    [
        (429, Kind.RATE_LIMITED, "no"),
        (500, Kind.PROVIDER_UNREACHABLE, "maybe"),
        (502, Kind.PROVIDER_UNREACHABLE, "maybe"),
        (302, Kind.PROVIDER_REFUSED, "no"),
    ],
)
def test_t6_one_attempt_whatever_the_status(google, step, status, kind, sent):
    """google-auth would wait and try again: not here."""
    google.bad[step] = (status, {"Retry-After": "9"}, canary("page").encode())
    started = time.monotonic()
    error = refusal(google, **STEPS[step])

    assert time.monotonic() - started < 8.9
    assert sum(step in f"{each.host}{each.path}" for each in google.seen) == 1
    assert (error.kind, error.failure.sent) == (kind, sent)
    if kind is not Kind.PROVIDER_REFUSED:
        assert error.failure.retry_after == 9


def test_t6_a_reset_and_a_long_answer(google):
    """Classified by the transport."""
    google.bad["/token"] = (200, {}, None)
    error = refusal(google)
    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_UNREACHABLE, "maybe")

    google.bad["/token"] = (200, JSON, b"x" * 70_000)
    error = refusal(google)
    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")


def test_a_slow_answer_is_not_taken_for_a_longer_life(google):
    """The life counts from when the token was asked for."""
    google.delay = 0.6
    token = mint(google)

    assert token.expires_at <= token.issued_at + google.lifetime + 0.5


def test_expires_in_as_text(google):
    """Google's libraries take it, and so does this."""
    google.bad["/token"] = (200, JSON, b'{"access_token": "t", "expires_in": "60"}')

    assert mint(google).expires_at == pytest.approx(time.time() + 60, abs=30)


def test_a_downscoped_token_without_an_end_has_the_sources(google):
    """As Google documents it for users."""
    google.lifetime = 500
    google.bad["sts.googleapis.com"] = (200, JSON, b'{"access_token": "narrow"}')
    token = mint(google, access_boundary=(RULE,))

    assert token.secret.reveal() == "narrow"
    assert token.expires_at == pytest.approx(time.time() + 500, abs=30)


def test_an_id_token_for_someone_else_is_refused(google):
    """It would be of no use, or of use elsewhere."""
    token = jwt.encode({"aud": "other", "exp": time.time() + 60}, KEY, algorithm="RS256")
    google.bad["generateIdToken"] = (200, JSON, json.dumps({"token": token}).encode())

    error = refusal(google, **STEPS["generateIdToken"])
    assert error.kind is Kind.FIX_CONFIGURATION


def test_a_subject_tokens_file_that_cannot_be_read(google, tmp_path):
    """Missing, or a directory: with the word to correct."""
    for path in (tmp_path / "nothing", tmp_path):
        error = refusal(google, external_account=external_account({"file": str(path)}))
        assert error.kind is Kind.FIX_CONFIGURATION
        assert "credential_source.file" in error.message
