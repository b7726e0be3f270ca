"""The one way out, against real servers on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
import trustme
import urllib3

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpRequest
from credward.providers.transport import Transport, Unanswered, _check_url
from credward.settings.network import NetworkSettings
from fakes.http_server import Handler, HttpServer
from waiting import PATIENCE

# Set at the end of a server, for what hangs in it.
OVER = threading.Event()


class Answering(Handler):
    """Answers by the path."""

    def do_POST(self) -> None:
        body = self.body()
        match self.path.partition("?")[0]:
            case "/echo":
                self.reply(200, body)
            case "/elsewhere":
                self.reply(302, b"", {"Location": "/echo"})
            case "/huge":
                self.reply(200, b"x" * 70_000)
            case "/reset":
                self.connection.shutdown(socket.SHUT_RDWR)
            case "/silence":
                OVER.wait(PATIENCE)
            case _:
                self.reply(503, b"<html>", {"Retry-After": "7"})

    do_GET = do_POST  # noqa: N815 - the name is the standard library's


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[str]:
    OVER.clear()
    with HttpServer(Answering, tls=context) as server:
        try:
            yield server.url
        finally:
            OVER.set()


def send(url, *, network=None, timeout=PATIENCE, body=b"x", learned=False):
    transport = Transport(network or NetworkSettings())
    request = HttpRequest(method="POST", url=url, body=body, timeout=timeout, learned=learned)
    try:
        return transport.send(request, credential="gateway")
    finally:
        transport.close()


def failure(url: str, **options) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        send(url, **options)
    return caught.value


def test_any_status_is_an_answer():
    """What it means is the provider's business; header names are lower case."""
    with serving() as url:
        answer = send(f"{url}/unavailable")
        assert send(f"{url}/echo", body=b"grant").body == b"grant"

    assert (answer.status, answer.headers["retry-after"]) == (503, "7")


def test_n10_redirects_are_not_followed():
    """A token request never goes where an answer points it."""
    with serving() as url:
        assert send(f"{url}/elsewhere").status == 302


def test_a_connection_that_never_came_about_sent_nothing():
    """The grant was certainly not used."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        # Nobody else gets it meanwhile.
        error = failure(f"http://127.0.0.1:{closed.getsockname()[1]}/")

    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_UNREACHABLE, "no")


@pytest.mark.parametrize(
    ("path", "kind", "timeout"),
    [
        ("/reset", Kind.PROVIDER_UNREACHABLE, PATIENCE),
        ("/silence", Kind.TIMED_OUT, 1.0),
    ],
)
def test_t6_after_the_request_left_nobody_knows(path, kind, timeout):
    """The server may have acted on it."""
    with serving() as url:
        error = failure(url + path, timeout=timeout)

    assert (error.kind, error.failure.sent) == (kind, "maybe")


def exchange(url, *, network=None, timeout=PATIENCE):
    transport = Transport(network or NetworkSettings())
    try:
        return transport.exchange(
            HttpRequest(method="POST", url=url, body=b"x", timeout=timeout), credential="gateway"
        )
    finally:
        transport.close()


@pytest.mark.parametrize(
    ("path", "timeout", "trouble"), [("/reset", PATIENCE, "closed"), ("/silence", 1.0, "timeout")]
)
def test_says_how_a_connection_ended(path, timeout, trouble):
    """For those who tell people, not only whether to try again."""
    with serving() as url:
        ended = exchange(url + path, timeout=timeout)

    assert ended == Unanswered(trouble=trouble, sent="maybe", proxied=False)


def test_says_that_nobody_listens():
    """Here, or at the proxy."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        here = exchange(f"http://127.0.0.1:{port}/")
        proxy = NetworkSettings(proxy=f"http://127.0.0.1:{port}")
        there = exchange("https://llm.example.com/", network=proxy)

    assert here == Unanswered(trouble="refused", sent="no", proxied=False)
    assert there == Unanswered(trouble="refused", sent="no", proxied=True)


@pytest.mark.parametrize(
    ("name", "since", "trusted", "trouble"),
    [
        ("127.0.0.1", -1, False, "tls-untrusted"),
        ("127.0.0.2", -1, True, "tls-name"),
        ("llm.example.com", -1, True, "tls-name"),
        ("127.0.0.1", -3, True, "tls-expired"),
    ],
)
def test_says_what_is_wrong_with_a_certificate(tmp_path, name, since, trusted, trouble):
    """*since*: its days from then, two of them."""
    ca, other = trustme.CA(), trustme.CA()
    start = datetime.now(UTC) + timedelta(days=since)
    certificate = ca.issue_cert(name, not_before=start, not_after=start + timedelta(days=2))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    (ca if trusted else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(context) as url:
        ended = exchange(url, network=NetworkSettings(ca=str(tmp_path / "ca.pem")))

    assert ended == Unanswered(trouble=trouble, sent="no", proxied=False)


def test_a_long_answer_is_cut_for_those_who_need_its_head_only():
    """After one byte more than the limit, by which it is known to be longer."""
    with serving() as url:
        answer = exchange(f"{url}/huge")

    assert not isinstance(answer, Unanswered)
    assert (answer.status, len(answer.body)) == (200, 64 * 1024 + 1)


def test_t6_an_answer_over_the_limit_is_refused():
    """No token answer is that long."""
    with serving() as url:
        error = failure(f"{url}/huge")

    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/token",
        "ftp://127.0.0.1/",
        "https://user:word@login.example.com/",
        "https:///token",
        "http://127.0.0.1.example.com/",
        "http://localhost.example.com/",
        "http://169.254.169.254.example.com/",
        "http://169.254.1.1/",
        "http://169.254.169.253/",
        "http://169.254.169.254.example.com/",
        "http://2852039166/",
        "nonsense",
    ],
)
def test_n10_only_https_or_loopback(url):
    """A secret is never sent in the clear, nor to a host that only looks like this machine."""
    error = failure(url)

    assert (error.kind, error.failure.sent) == (Kind.FIX_CONFIGURATION, "no")


def test_the_metadata_service_may_be_asked_in_the_clear():
    """It speaks nothing else. Only looked at here: this machine may have a real one."""
    assert _check_url("http://169.254.169.254/", "gateway") == "169.254.169.254"


def test_only_a_trusted_server_gets_the_request(tmp_path):
    """The operating system's authorities by default, else those of the configuration."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    with serving(context) as url:
        trusted = NetworkSettings(ca=str(tmp_path / "ca.pem"))
        assert send(f"{url}/echo", network=trusted, body=b"grant").body == b"grant"
        error = failure(f"{url}/echo")

    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_UNREACHABLE, "no")
    assert "network.ca" in error.message


def test_n10_a_private_address_that_only_an_answer_named_is_not_asked(tmp_path):
    """Judged by the address that the connection has, so that no second lookup can differ."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("localhost").configure_cert(context)
    trusted = NetworkSettings(ca=str(tmp_path / "ca.pem"))
    allowed = NetworkSettings(ca=str(tmp_path / "ca.pem"), private_hosts=("localhost",))
    with serving(context) as url:
        url = f"{url}/echo".replace("127.0.0.1", "localhost")
        error = failure(url, network=trusted, learned=True)
        configured = send(url, network=trusted)
        named = send(url, network=allowed, learned=True)

    assert (error.kind, error.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert "localhost, which is in a private network: add it to network.private_hosts" in str(error)
    assert (configured.body, named.body) == (b"x", b"x")


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest",
        "http://169.254.169.254/latest",
        "https://10.0.0.1/token",
        "https://[::ffff:10.0.0.1]/token",
        "https://[fe80::1%25eth0]/token",
        "http://127.0.0.1/token",
    ],
)
def test_n10_an_answer_cannot_point_into_the_network_of_this_machine(url):
    """Refused by the URL alone, through a proxy too: nothing is connected."""
    for proxy in (None, "http://127.0.0.1:9"):
        error = failure(url, learned=True, network=NetworkSettings(proxy=proxy))
        assert (error.kind, error.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
        assert "network.private_hosts" in error.message


def test_h3_no_secret_shows_in_a_failure():
    """Neither query, body nor header of the request is repeated."""
    with serving() as url:
        error = failure(f"{url}/reset?code={canary('url')}", body=canary("body").encode())

    assert "canary" not in f"{error} {error!r} {error.__cause__!s}".lower()


@pytest.mark.parametrize("text", ["{}\n{}", "{}\r\nX: y", "{}…", "{}\0"])
def test_h3_what_is_no_header_is_not_sent(text):
    """A secret with a line break ends in no other header, and in no error of a library."""
    secret = text.format(canary("a"), canary("b"))
    transport = Transport(NetworkSettings())
    with pytest.raises(BrokerError, match="is not printable ASCII") as caught:
        transport.send(
            HttpRequest(method="GET", url="http://127.0.0.1:9/", headers={"Authorization": secret}),
            credential="gateway",
        )

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert MARK not in f"{caught.value}{caught.value.__cause__}{caught.value.__context__}"


def test_no_proxy_is_asked_for_the_metadata_service():
    """It lies on this machine's host; its neighbours on the link do not."""
    transport = Transport(NetworkSettings(proxy="http://proxy.example.com:3128"))

    assert (
        type(transport._pool("169.254.169.254", None, "c", secure=False, public=False))
        is urllib3.PoolManager
    )
    assert (
        type(transport._pool("169.254.169.253", None, "c", secure=False, public=False))
        is urllib3.ProxyManager
    )
