"""Polling for a device code."""

from __future__ import annotations

import json

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.providers.oauth.client import OAuthClient
from credward.providers.oauth.device import DeviceAnswer, poll, read_device_answer
from credward.providers.oauth.server import AuthorizationServer
from credward.providers.provider import HttpResponse, ProviderRequest
from credward.settings.oauth import Settings
from fakes.login_io import FakeLoginIo

WHOLE = {"device_code": "d", "user_code": "U", "verification_uri": "https://a.example/activate"}
BEGUN = DeviceAnswer(
    device_code="d", user_code="U", url="https://a", complete_url=None, expires_in=60, interval=5
)


def run(*answers):
    """Poll while the server answers these: error codes, an exception, or a token answer."""
    left = list(answers)

    def answer(_):
        match left.pop(0) if len(left) > 1 else left[0]:
            case BrokerError() as failure:
                raise failure
            case str(code):
                status, body = 400, {"error": code}
            case body:
                status = 200
        return HttpResponse(
            status=status,
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
        )

    io = FakeLoginIo(server=answer)
    settings = msgspec.convert({"issuer": "https://a.example", "client_id": "c"}, Settings)
    request = ProviderRequest(credential="gateway", settings=settings)
    server = AuthorizationServer(token_endpoint="https://a.example/t")
    return lambda: poll(OAuthClient(request, io, server), BEGUN, "gateway", io), io


def test_waits_before_each_poll_and_slows_down():
    """RFC 8628 section 3.5: five seconds more, for good."""
    go, io = run("authorization_pending", "slow_down", "authorization_pending", {"a": 1})

    assert go() == {"a": 1}
    assert io.waits == [5, 5, 10, 10]


def test_t15_an_outage_is_sat_out():
    """More slowly, as the RFC wants it."""
    down = BrokerError(Kind.TIMED_OUT, "x", sent="maybe")
    go, io = run(down, down, {"a": 1})

    assert go() == {"a": 1}
    assert io.waits == [5, 10, 20]


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("authorization_pending", "not entered in time"),
        ("expired_token", "not entered in time"),
        ("access_denied", "denied"),
        ("invalid_grant", "needs a login"),
    ],
)
def test_a_login_that_was_not_done(code, complaint):
    """The code ends, or the user says no; the next one is a new login."""
    go, io = run(code)
    with pytest.raises(BrokerError, match=complaint) as caught:
        go()

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert "run credward login gateway" in caught.value.message
    assert sum(io.waits) < 60


def test_a_client_that_may_not():
    """No login would help."""
    go, _ = run("unauthorized_client")
    with pytest.raises(BrokerError) as caught:
        go()

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_the_servers_answer():
    """With the defaults of the RFC; Google names its page otherwise."""
    answer = read_device_answer(WHOLE, "gateway")
    assert (answer.expires_in, answer.interval, answer.complete_url) == (600, 5, None)
    assert "device_code" not in repr(answer)
    old = {"device_code": "d", "user_code": "U", "verification_url": "https://g.example"}
    assert read_device_answer(old, "gateway").url == "https://g.example"
    timed = read_device_answer(WHOLE | {"expires_in": "90", "interval": 1}, "gateway")
    assert (timed.expires_in, timed.interval) == (90, 1)


@pytest.mark.parametrize(
    "words",
    [
        {"expires_in": -1, "interval": 0},
        {"expires_in": True, "interval": "x"},
        {"expires_in": [], "interval": None},
    ],
)
def test_absurd_times_are_the_defaults(words):
    """Neither a storm nor a standstill."""
    answer = read_device_answer(WHOLE | words, "gateway")

    assert (answer.expires_in, answer.interval) == (600, 5)
    answer = read_device_answer(WHOLE | {"expires_in": 1e9, "interval": 1e9}, "gateway")
    assert (answer.expires_in, answer.interval) == (3600, 60)


@pytest.mark.parametrize(
    "words",
    [
        {"device_code": ""},
        {"device_code": 5},
        {"user_code": "a\x1b[2J"},
        {"user_code": "x" * 65},
        {"verification_uri": "javascript:alert(1)"},
        {"verification_uri": "https://a\n"},
        {"verification_uri": None},
    ],
)
def test_what_cannot_be_shown_is_refused(words):
    """A terminal and a browser are at the other end."""
    with pytest.raises(BrokerError, match="no code to show"):
        read_device_answer(WHOLE | words, "gateway")


def test_a_complete_url_that_cannot_be_opened_is_left_out():
    """The code can be typed."""
    answer = read_device_answer(WHOLE | {"verification_uri_complete": "file:///x"}, "gateway")

    assert answer.complete_url is None
