"""What an authorization server, or something in its place, may answer."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError, Kind, Recovery
from credward.providers.oauth.answers import (
    read_answer,
    read_error_code,
    read_json,
    refuse_status,
)
from credward.providers.provider import HttpResponse
from fakes.io import NOW

JSON = {"content-type": "application/json; charset=utf-8"}
HTML = {"content-type": "text/html"}
PAGE = b"<html>SECRET Please log in to the hotel</html>"
UNREACHABLE, REFUSED, LIMITED = (
    Kind.PROVIDER_UNREACHABLE,
    Kind.PROVIDER_REFUSED,
    Kind.RATE_LIMITED,
)


def response(status=200, body=b"", headers=JSON, **more):
    return HttpResponse(status=status, headers=headers | more, body=body)


def read(given):
    return read_answer(
        given, "gateway", "login.example.com", now=NOW, grant_type="authorization_code"
    )


def test_an_object_is_returned():
    """Whatever is in it."""
    assert read(response(body=b'{"access_token": "a"}')) == {"access_token": "a"}
    assert read(response(body=b'{"error": ""}')) == {"error": ""}
    assert read(response(body=b"{}", headers={"content-type": "application/vnd.x+json"})) == {}


@pytest.mark.parametrize(
    ("given", "kind", "sent"),
    [
        (response(429), LIMITED, "no"),
        (response(429, PAGE, HTML), LIMITED, "no"),
        (response(503, b'{"error": "temporarily_unavailable"}'), LIMITED, "no"),
        (response(400, b'{"error": "temporarily_unavailable"}'), LIMITED, "no"),
        (response(500), UNREACHABLE, "maybe"),
        (response(502, PAGE, HTML), UNREACHABLE, "maybe"),
        (response(503, b'{"error": "invalid_grant"}'), UNREACHABLE, "maybe"),
        (response(500, b'{"error": "server_error"}'), UNREACHABLE, "maybe"),
        (response(200, PAGE, HTML), REFUSED, "maybe"),
        (response(200, PAGE), REFUSED, "maybe"),
        (response(200, b'{"access_token": "a"}', HTML), REFUSED, "maybe"),
        (response(200, b'{"access_token": "a"}', {}), REFUSED, "maybe"),
        (response(200, b""), REFUSED, "maybe"),
        (response(200, b"  "), REFUSED, "maybe"),
        (response(200, b"\xff\xfe"), REFUSED, "maybe"),
        (response(200, b'{"access_token": "a'), REFUSED, "maybe"),
        (response(200, b'["access_token"]'), REFUSED, "maybe"),
        (response(200, b'"access_token"'), REFUSED, "maybe"),
        (response(200, b"[" * 60_000), REFUSED, "maybe"),
        (response(200, b"access_token=a&expires_in=5"), REFUSED, "maybe"),
        (response(302, PAGE, HTML | {"location": "http://portal"}), REFUSED, "maybe"),
        (response(403, PAGE, HTML), REFUSED, "maybe"),
        (response(401, b""), REFUSED, "maybe"),
        (response(400, b"{}"), REFUSED, "maybe"),
        (response(400, b'{"error": "invalid_grant"}'), Kind.LOGIN_REQUIRED, "no"),
        (response(200, b'{"error": "invalid_grant"}'), Kind.LOGIN_REQUIRED, "no"),
        (response(401, b'{"error": "invalid_client"}'), Kind.FIX_CONFIGURATION, "no"),
        (response(400, b'{"error": "SECRET"}'), REFUSED, "no"),
        (response(400, b'{"error": {"code": "SECRET"}}'), REFUSED, "maybe"),
        # An error is refused as such though the body speaks of one, where the type is another.
        (response(400, b'{"error": "invalid_grant"}', HTML), REFUSED, "maybe"),
    ],
)
def test_t6_t15_all_else_is_classified(given, kind, sent):
    """A page of a portal is never a token and never a refusal of the grant."""
    with pytest.raises(BrokerError) as caught:
        read(given)

    assert (caught.value.kind, caught.value.failure.sent) == (kind, sent)
    assert "SECRET" not in caught.value.message
    assert caught.value.message.startswith('"gateway" ')
    assert ": " in caught.value.message
    if kind is REFUSED:
        assert caught.value.failure.recovery is Recovery.RETRY


def test_t6_retry_after_is_handed_on():
    """By limits and by outages."""
    for status in (429, 503):
        with pytest.raises(BrokerError) as caught:
            read(response(status, **{"retry-after": "30"}))
        assert caught.value.failure.retry_after == 30.0


def test_metadata_is_read_alike():
    """Where no error code is expected."""
    assert read_json(response(body=b'{"issuer": "x"}'), "gateway", "h") == {"issuer": "x"}
    with pytest.raises(BrokerError, match="captive portal"):
        read_json(response(body=PAGE, headers=HTML), "gateway", "h")
    for status, kind in ((429, LIMITED), (500, UNREACHABLE), (302, REFUSED)):
        with pytest.raises(BrokerError) as caught:
            refuse_status(response(status), "gateway", "h", NOW)
        assert caught.value.kind is kind


def test_error_codes():
    """As the server wrote them, for what is decided by them."""
    assert read_error_code(response(400, b'{"error": "slow_down"}')) == "slow_down"
    assert read_error_code(response(400, b'{"error": 5}')) is None
    assert read_error_code(response(200, b"{}")) is None
    assert read_error_code(response(200, PAGE, HTML)) is None
