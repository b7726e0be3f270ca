"""How failures look to programs and to C."""

from __future__ import annotations

import json

import pytest

from credward.doors.unix_api.problems import render_problem
from credward.errors import BrokerError, Kind
from credward.http.messages import RefusedRequest

ERROR = BrokerError(
    Kind.PROVIDER_UNREACHABLE,
    '"gateway" cannot be renewed',
    hint="check the VPN\nor wait",
    retry_after=1.2,
)


def test_is_a_problem_in_json():
    """RFC 9457 with our kind, recovery and hint; the header repeats the kind."""
    response = render_problem(ERROR, {})

    assert response.status == 503
    assert response.content_type == "application/problem+json"
    assert dict(response.headers) == {
        "Credward-Kind": "provider-unreachable",
        "Cache-Control": "no-store",
        "Retry-After": "2",
    }
    assert json.loads(response.body) == {
        "type": "urn:credward:problem:provider-unreachable",
        "title": "provider unreachable",
        "status": 503,
        "detail": '"gateway" cannot be renewed',
        "kind": "provider-unreachable",
        "recovery": "retry",
        "retry_after": 1.2,
        "hint": "check the VPN\nor wait",
    }


def test_is_two_lines_for_those_who_parse_no_json():
    """Message and hint, each on exactly one line."""
    response = render_problem(ERROR, {"accept": "text/plain"})

    assert response.content_type == "text/plain; charset=utf-8"
    assert response.body == b'"gateway" cannot be renewed\ncheck the VPN or wait\n'
    assert ("Credward-Kind", "provider-unreachable") in response.headers


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/plain"])
def test_json_is_the_default(accept):
    """Only those who ask for text and nothing else get it."""
    assert render_problem(ERROR, {"accept": accept}).content_type == "application/problem+json"


def test_a_refusal_has_its_own_status():
    """405 names the verbs that there are."""
    error = RefusedRequest(405, "no such verb", allow="GET, POST")
    response = render_problem(error, {})

    assert response.status == json.loads(response.body)["status"] == 405
    assert ("Allow", "GET, POST") in response.headers
    assert ("Credward-Kind", "bad-request") in response.headers


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_status(kind):
    """Kinds that are never on the wire by design would still be an answer."""
    response = render_problem(BrokerError(kind, "text", retry_after=float("inf")), {})

    assert 400 <= response.status < 600
    assert ("Credward-Kind", kind.slug) in response.headers
