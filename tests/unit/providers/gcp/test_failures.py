"""What refusals of Google's mean, by table."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from canaries import MARK, canary
from credward.errors import Kind
from credward.providers.gcp.failures import read_failure
from credward.providers.provider import HttpRequest, HttpResponse
from fakes.google_server import TARGET, impersonation_url
from fakes.io import NOW

TOKEN = "https://oauth2.googleapis.com/token"
STS = "https://sts.googleapis.com/v1/token"
COMMAND = "gcloud auth application-default login"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
REQUESTS = {
    "refresh": (TOKEN, {"grant_type": "refresh_token", "refresh_token": "r"}),
    "code": (TOKEN, {"grant_type": "authorization_code"}),
    "assertion": (TOKEN, {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}),
    "exchange": (STS, {"grant_type": EXCHANGE, "subject_token_type": "jwt"}),
    "downscope": (
        STS,
        {
            "grant_type": EXCHANGE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        },
    ),
    "impersonation": (impersonation_url(TARGET), None),
    "metadata": ("http://127.0.0.1:1/computeMetadata/v1/x", None),
    "subject": ("http://127.0.0.1:1/subject", None),
}


def failure(step, status, body=b"", **headers):
    """Classify one answer to a request of that step."""
    url, form = REQUESTS[step]
    flavor = {"Metadata-Flavor": "Google"} if step == "metadata" else {}
    request = HttpRequest(
        method="POST",
        url=url,
        headers=flavor if form is None else FORM,
        body=urlencode(form or {}).encode(),
    )
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = HttpResponse(status=status, headers=headers, body=body)
    return read_failure("vertex", request, answer, now=NOW, login_command=COMMAND)


def api_error(status, **details):
    """Return an error of Google's APIs."""
    return {"error": {"code": 1, "status": status, "message": "m", **details}}


DISABLED = api_error("PERMISSION_DENIED", details=[{"reason": "SERVICE_DISABLED"}])


@pytest.mark.parametrize(
    ("step", "status", "body", "kind", "said"),
    [
        ("refresh", 400, {"error": "invalid_grant"}, Kind.LOGIN_REQUIRED, f"run {COMMAND}"),
        (
            "refresh",
            400,
            {"error": "invalid_grant", "error_subtype": "invalid_rapt"},
            Kind.LOGIN_REQUIRED,
            "(invalid_rapt)",
        ),
        ("refresh", 401, {"error": "invalid_client"}, Kind.FIX_CONFIGURATION, "client_id"),
        ("refresh", 401, {"error": "deleted_client"}, Kind.FIX_CONFIGURATION, "client_id"),
        ("refresh", 403, {"error": "access_denied"}, Kind.FIX_CONFIGURATION, "administrator"),
        ("refresh", 400, {"error": "invalid_scope"}, Kind.FIX_CONFIGURATION, "correct scopes"),
        ("refresh", 400, {"error": "new_word"}, Kind.PROVIDER_REFUSED, "(400)"),
        ("code", 400, {"error": "invalid_grant"}, Kind.LOGIN_REQUIRED, "new login"),
        ("assertion", 400, {"error": "invalid_grant"}, Kind.FIX_CONFIGURATION, "key"),
        ("assertion", 401, {"error": "invalid_client"}, Kind.FIX_CONFIGURATION, "key"),
        ("assertion", 404, b"<html>", Kind.PROVIDER_REFUSED, "(404)"),
        ("exchange", 400, {"error": "invalid_grant"}, Kind.PROVIDER_REFUSED, "subject token"),
        ("exchange", 400, {"error": "invalid_target"}, Kind.FIX_CONFIGURATION, "audience"),
        ("exchange", 400, {"error": "unauthorized_client"}, Kind.FIX_CONFIGURATION, "condition"),
        ("downscope", 400, {"error": "invalid_request"}, Kind.FIX_CONFIGURATION, "boundary"),
        ("impersonation", 403, api_error("PERMISSION_DENIED"), Kind.FIX_CONFIGURATION, TARGET),
        (
            "impersonation",
            403,
            api_error("PERMISSION_DENIED"),
            Kind.FIX_CONFIGURATION,
            "roles/iam.serviceAccountTokenCreator",
        ),
        ("impersonation", 403, DISABLED, Kind.FIX_CONFIGURATION, "gcloud services enable"),
        ("impersonation", 404, api_error("NOT_FOUND"), Kind.FIX_CONFIGURATION, "there is no"),
        ("impersonation", 400, api_error("INVALID_ARGUMENT"), Kind.FIX_CONFIGURATION, "lifetime"),
        ("impersonation", 401, api_error("UNAUTHENTICATED"), Kind.PROVIDER_REFUSED, TARGET),
        ("metadata", 404, b"", Kind.FIX_CONFIGURATION, "attach one"),
        ("metadata", 403, b"", Kind.PROVIDER_REFUSED, "(403)"),
        ("subject", 404, b"", Kind.PROVIDER_REFUSED, "127.0.0.1 refused (404)"),
        ("subject", 302, b"", Kind.PROVIDER_REFUSED, "(302)"),
        ("refresh", 429, b"", Kind.RATE_LIMITED, "(429)"),
    ],
)
def test_whose_turn_it_is(step, status, body, kind, said):
    """A definite refusal: nothing was used up."""
    found = failure(step, status, body)

    assert (found.kind, found.failure.sent) == (kind, "no")
    assert said in found.message
    assert found.message.startswith('"vertex" got no token, ')


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408])
@pytest.mark.parametrize("step", REQUESTS)
def test_t6_a_failing_server_may_have_acted(step, status):
    """Whatever stands in its answer."""
    found = failure(step, status, {"error": "invalid_grant"})

    assert (found.kind, found.failure.sent) == (Kind.PROVIDER_UNREACHABLE, "maybe")


@pytest.mark.parametrize("status", [429, 503])
def test_t6_retry_after_is_handed_on(status):
    """What absurd ones come to is a matter of `retry_after`."""
    found = failure("refresh", status, **{"retry-after": "Fri, 15 Jan 2027 08:01:00 GMT"})

    assert found.failure.retry_after == 60.0


@pytest.mark.parametrize("step", REQUESTS)
def test_h3_no_text_of_an_answer_is_repeated(step):
    """Neither descriptions nor codes that are not known here."""
    secret = canary("answer")
    for status in (400, 401, 403, 404, 429, 503):
        for body in (
            {"error": secret, "error_description": secret, "error_subtype": secret},
            api_error(secret, details=[{"reason": secret}, secret], message=secret),
            {"error": "invalid_grant", "error_description": secret},
            [secret],
            b"[" * 60_000,
            secret.encode(),
        ):
            assert MARK not in failure(step, status, body).message
