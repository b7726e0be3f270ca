"""msal's requests over the one outbound transport."""

from __future__ import annotations

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.entra.errors import Asker
from credward.providers.entra.http import MsalHttp, call_msal
from credward.providers.provider import HttpResponse
from fakes.io import FakeIo

URL = "https://login.example.com/t/token"


def http(body=b"{}", status=200, **headers):
    """Return the client, and the io that answers it."""
    io = FakeIo(server=lambda _: HttpResponse(status=status, headers=headers, body=body))
    return MsalHttp(io, Asker(credential="gateway"), 7.0), io


def test_forms_and_queries():
    """As msal hands them over: data as a dictionary or text, parameters beside the address."""
    client, io = http(b'{"a": 1}')
    client.post(URL, data={"scope": "a b", "client_info": 1}, headers={"X": "y"})
    client.post(URL, data="a=b", params=None)
    answer = client.get(f"{URL}?a=1", params={"b": "c d"}, timeout=3, allow_redirects=True)

    assert [each.body for each in io.requests] == [b"scope=a+b&client_info=1", b"a=b", b""]
    assert [each.url for each in io.requests] == [URL, URL, f"{URL}?a=1&b=c+d"]
    assert io.requests[0].headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert io.requests[0].headers["X"] == "y"
    assert {each.timeout for each in io.requests} == {7.0}
    assert (answer.status_code, answer.text) == (200, '{"a": 1}')
    answer.raise_for_status()
    client.close()


@pytest.mark.parametrize(
    ("retry_after", "expected"),
    [
        ("5", 5),
        ("7200", 7200),
        ("99999", None),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("1.5", None),
    ],
)
def test_pauses_that_the_server_asks_for(retry_after, expected):
    """As it says, up to a day; else our own back-off is better."""
    client, _ = http(status=429, **{"retry-after": retry_after})
    with pytest.raises(BrokerError) as caught:
        client.post(URL)

    assert caught.value.failure.retry_after == expected


def test_a_refusal_of_the_token_endpoint_is_for_msal():
    """It comes back as a result; one of a look-up is raised at once."""
    client, _ = http(b'{"error": "invalid_grant"}', status=400)

    assert client.post(URL).status_code == 400
    assert client.sent == "no"
    with pytest.raises(BrokerError):
        client.get(URL)


def test_a_refusal_without_an_error_is_no_grant():
    """Whatever else is in it."""
    client, _ = http(b'{"access_token": "x", "expires_in": 60}', status=400)
    with pytest.raises(BrokerError) as caught:
        client.post(URL)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")


@pytest.mark.parametrize(("verb", "sent"), [("get", "no"), ("post", "maybe")])
def test_t8_only_a_post_may_have_used_a_grant(verb, sent):
    """What the transport says of a look-up is put right."""

    def lost(_):
        raise BrokerError(Kind.TIMED_OUT, '"gateway" got no token, x: y', sent="maybe")

    client = MsalHttp(FakeIo(server=lost), Asker(credential="gateway"), 7.0)
    with pytest.raises(BrokerError) as caught:
        getattr(client, verb)(URL)

    assert caught.value.failure.sent == sent
    assert client.sent == sent


def test_h3_what_msal_raises_stays_out():
    """By name alone, causes included; failures of ours pass."""
    client, _ = http()

    def fail():
        raise ValueError(canary("answer"))

    def pass_on():
        raise BrokerError(Kind.TIMED_OUT, '"gateway" x: y')

    with pytest.raises(BrokerError) as caught:
        call_msal(client, "gateway", fail)
    assert MARK not in f"{caught.value}{caught.value.__cause__}{caught.value.__context__}"
    assert "(ValueError)" in caught.value.message
    with pytest.raises(BrokerError) as caught:
        call_msal(client, "gateway", pass_on)
    assert caught.value.kind is Kind.TIMED_OUT
    assert call_msal(client, "gateway", lambda: 7) == 7
