"""What no endpoint on loopback answers."""

from __future__ import annotations

import pytest

from credward.callers.caller import Caller
from credward.doors.guard import check_secret, guarded
from credward.errors import Kind
from credward.http.messages import Handler, HttpRequest, HttpResponse, RefusedRequest
from credward.tokens import Secret

HOST = "127.0.0.1:9911"


class Located:
    """Somebody whose process is looked up before anything is answered."""

    uid, pid = 1000, None

    def __init__(self) -> None:
        self.located = 0

    async def locate(self) -> None:
        self.located += 1

    def pin(self) -> None: ...
    def identify(self) -> Caller:
        return Caller(uid=1000, gid=None, pid=None)

    async def identify_closely(self) -> Caller:
        return self.identify()

    def close(self) -> None: ...


async def answered(http_request: HttpRequest) -> HttpResponse:
    peer = http_request.peer
    assert isinstance(peer, Located)
    return HttpResponse(status=200, body=b"%d" % peer.located)


def request(host: str = HOST, **headers: str) -> HttpRequest:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpRequest(
        method="GET",
        target=b"",
        path="/",
        query={},
        headers={"host": host, **named},
        body=b"",
        peer=Located(),
    )


@pytest.fixture
def handler() -> Handler:
    return guarded(answered, port=9911, addresses=["169.254.169.254"], names=["here.example"])


@pytest.mark.parametrize(
    "host",
    [
        HOST,
        "localhost:9911",
        "LOCALHOST:9911",
        "[::1]:9911",
        "169.254.169.254",
        "169.254.169.254:80",
        "here.example:9911",
    ],
)
async def test_n1_its_own_names_lead_here(handler: Handler, host: str) -> None:
    """And the process is looked up before the answer is made."""
    answer = handler(request(host))
    assert not isinstance(answer, HttpResponse)
    assert (await answer).body == b"1"


@pytest.mark.parametrize(
    "host",
    [
        "attacker.example:9911",
        "127.0.0.1",
        "127.0.0.1:9912",
        "localhost",
        "127.0.0.1:9911.evil.example",
        "169.254.169.254:9911",
        "here.example",
        "metadata.google.internal",
        "metadata.google.internal:9911",
        "",
    ],
)
def test_n1_another_host_is_refused_before_any_work(handler: Handler, host: str) -> None:
    asked = request(host)
    with pytest.raises(RefusedRequest) as caught:
        handler(asked)
    assert (caught.value.status, caught.value.kind) == (403, Kind.DENIED)
    assert isinstance(asked.peer, Located)
    assert asked.peer.located == 0


@pytest.mark.parametrize(
    "header",
    [
        "x_forwarded_for",
        "x_forwarded_host",
        "forwarded",
        "via",
        "x_forwarded",
        "x_envoy_external_address",
        "cf_connecting_ip",
        "origin",
        "referer",
        "sec_fetch_site",
        "sec_fetch_dest",
        "access_control_request_method",
    ],
)
def test_n3_n5_what_a_proxy_or_a_page_sends_is_refused(handler: Handler, header: str) -> None:
    with pytest.raises(RefusedRequest) as caught:
        handler(request(**{header: "x"}))
    assert caught.value.status == 403
    assert header.replace("_", "-") in caught.value.message


def test_the_fetch_of_node_is_no_page(handler: Handler) -> None:
    """It says so of itself: sec-fetch-mode, and none of the others."""
    assert handler(request(sec_fetch_mode="cors"))


def test_n2_a_secret_is_compared() -> None:
    check_secret(request(x_said="right"), "X-Said", Secret("right"))


@pytest.mark.parametrize("headers", [{"x_said": "wrong"}, {"x_said": ""}, {"other": "right"}, {}])
def test_n2_no_other_secret_is_right(headers: dict[str, str]) -> None:
    with pytest.raises(RefusedRequest) as caught:
        check_secret(request(**headers), "X-Said", Secret("right"))
    assert (caught.value.status, caught.value.kind) == (401, Kind.DENIED)
    assert "right" not in caught.value.message
