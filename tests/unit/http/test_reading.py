"""Bytes become requests with one meaning, however they are split."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credward.http.heads import Heads
from credward.http.limits import Limits
from credward.http.messages import HttpRequest, RefusedRequest
from credward.http.reading import RequestReader
from unit.http.doors import FakePeer

PEER = FakePeer()
GOOD = b"GET /v1/health HTTP/1.1\r\nHost: credward\r\n\r\n"


def read_all(parts: list[bytes]) -> tuple[list[HttpRequest], int | None]:
    """Return the requests in *parts* fed one after the other, and the status of a refusal."""
    reader = RequestReader(Limits(), Heads(Limits().body, lambda _: True))
    found = []
    for part in parts:
        reader.feed(part)
        try:
            while (http_request := reader.next_request(PEER)) is not None:
                found.append(http_request)
        except RefusedRequest as refusal:
            return found, refusal.status
    return found, None


def head(*lines: str, first: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def test_reads_a_request_with_query_and_body():
    """The parts of a request arrive where they belong, names of headers in lower case."""
    raw = (
        b"POST /v1/credentials/a%2Db/json?audience=x%20y&timeout=4 HTTP/1.1\r\n"
        b"HOST: credward\r\nContent-Length: 5\r\nX-Odd:  padded \t\r\n\r\nhello"
    )

    [found], refused = read_all([raw])

    assert refused is None
    assert (found.method, found.path) == ("POST", "/v1/credentials/a-b/json")
    assert found.query == {"audience": "x y", "timeout": "4"}
    assert found.headers == {"host": "credward", "content-length": "5", "x-odd": "padded"}
    assert found.body == b"hello"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"x", 400),
        (b"\r\n\r\n", 400),
        (b"\0", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (head("Host: x", first="GET / HTTP/1.0"), 400),
        (head("Host: x", first="GET / HTTP/1.2"), 400),
        (head("Host: x", first="BREW / HTTP/1.1"), 400),
        (head("Host: x", first="GET http://x/ HTTP/1.1"), 400),
        (head("Host: x", first="GET @attacker/ HTTP/1.1"), 400),
        (head("Host: x", first="OPTIONS * HTTP/1.1"), 400),
        (head("Host: x", first="CONNECT x:1 HTTP/1.1"), 400),
        (head("Host: x", first="GET /a#b HTTP/1.1"), 400),
        (head("Host: x", first="GET /\xe9 HTTP/1.1"), 400),
        (head("Host: x", first="GET /?a=1&a=2 HTTP/1.1"), 400),
        (head("Host: x", first="GET /%zz HTTP/1.1"), 400),
        (head("Host: x", first="GET /%ff HTTP/1.1"), 400),
        (head("Host: x", first="GET /%00 HTTP/1.1"), 400),
        (head("Host: x", first="GET /a%2fb HTTP/1.1"), 404),
        (head("Host: x", first="GET /%252e HTTP/1.1"), 404),
        (head(), 400),
        (head("Host: x", "Host: x"), 400),
        (head("Host: x", "Accept: a", "accept: a"), 400),
        (head("Host : x"), 400),
        (head("Host: x", "A: \0"), 400),
        (head("Host: x", "A: \xe9"), 400),
        (head("Host: x", " folded"), 400),
        (head("Host: x", "Connection: Upgrade", "Upgrade: h2c"), 400),
        (head("Host: x", "Upgrade: h2c"), 400),
        (head("Host: x", "Expect: 100-continue", "Content-Length: 1"), 417),
        (head("Host: x", "Transfer-Encoding: chunked"), 411),
        (head("Host: x", "Transfer-Encoding: chunked", "Content-Length: 1"), 400),
        (head("Host: x", "Content-Length: 1", "Content-Length: 1"), 400),
        (head("Host: x", "Content-Length: +1"), 400),
        (head("Host: x", "Content-Length: 65537"), 413),
        (head("Host: x", "Content-Length: 99999999999"), 413),
        (head("Host: x", "Content-Length: " + "9" * 5000), 400),
        (head("Host: x", "A: " + "a" * (16 * 1024)), 431),
        (b"GET /" + b"a" * (16 * 1024), 431),
    ],
)
def test_r1_refuses_what_has_no_single_meaning(raw, status):
    """R1, N7: framing that two readers could understand differently is refused, not interpreted."""
    found, refused = read_all([raw])

    assert found == []
    assert refused == status


def test_r1_limits_are_exact():
    """R1: a head of 16 KiB and a body of 64 KiB pass, one byte more does not."""
    frame = len(head("Host: x", "A: "))
    longest = head("Host: x", "A: " + "a" * (16 * 1024 - frame))
    body = b"x" * 65_536

    assert len(longest) == 16 * 1024
    assert len(read_all([longest])[0]) == 1
    assert read_all([head("Host: x", "A: " + "a" * (16 * 1024 - frame + 1))]) == ([], 431)
    [found], _ = read_all([head("Host: x", "Content-Length: 65536") + body])
    assert found.body == body


def test_gives_out_pipelined_requests_one_at_a_time():
    """A second request in the same bytes waits until it is asked for."""
    reader = RequestReader(Limits(), Heads(Limits().body, lambda _: True))
    reader.feed(GOOD + GOOD)

    assert reader.next_request(PEER) is not None
    assert reader.pending
    assert reader.next_request(PEER) is not None
    assert not reader.pending
    assert reader.next_request(PEER) is None


def test_says_whether_the_client_wants_to_stay():
    """`Connection: close` holds for its own request only."""
    reader = RequestReader(Limits(), Heads(Limits().body, lambda _: True))
    reader.feed(head("Host: x", "Connection: close") + GOOD)
    reader.next_request(PEER)
    assert not reader.keep_alive

    reader.next_request(PEER)
    assert reader.keep_alive


# --- one meaning however it is split --------------------------------------------------------------

TOKENS = st.text("abcXYZ-_09", min_size=1, max_size=8)
VALUES = st.text("abc XYZ:;,=\t09", max_size=12).map(str.strip)
REQUESTS = st.builds(
    lambda method, path, headers, body: (
        f"{method} /{path} HTTP/1.1\r\nHost: x\r\n".encode()
        + b"".join(f"X-{name}: {value}\r\n".encode() for name, value in headers.items())
        + f"Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    ),
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD"]),
    st.text("abc/.%20?&=-", max_size=12),
    st.dictionaries(TOKENS, VALUES, max_size=4),
    st.binary(max_size=40),
)
NOISE = st.sampled_from(
    [
        b"\r",
        b"\n",
        b"\r\n",
        b"\0",
        b" ",
        b":",
        b"%",
        b"\xff",
        b"Host: y\r\n",
        b"Content-Length: 3\r\n",
    ]
)


@st.composite
def streams(draw):
    """Return one or two requests, sometimes with a few bytes put in, changed or taken out."""
    raw = b"".join(draw(st.lists(REQUESTS, min_size=1, max_size=2)))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(raw)))
        raw = raw[:at] + draw(NOISE) + raw[at + draw(st.integers(0, 2)) :]
    cuts = sorted(draw(st.lists(st.integers(0, len(raw)), max_size=6)))
    return raw, [raw[a:b] for a, b in pairwise([0, *cuts, len(raw)])]


def by_the_book(raw: bytes) -> tuple[str, str, dict[str, str], bytes, bytes]:
    """Read one request naively: an independent word on what an accepted one means."""
    head_bytes, _, rest = raw.partition(b"\r\n\r\n")
    first, *lines = head_bytes.decode("ascii").split("\r\n")
    method, target, _ = re.fullmatch(r"([A-Z]+) +(\S+) +(HTTP/1\.1)", first).groups()
    headers = {}
    for line in lines:
        name, value = re.fullmatch(r"([!-9;-~]+):(.*)", line, re.DOTALL).groups()
        headers[name.lower()] = value.strip(" \t")
    length = int(headers.get("content-length", "0"))
    return method, target, headers, rest[:length], rest[length:]


@settings(max_examples=400, deadline=None)
@given(streams())
def test_r1_means_the_same_however_it_is_split(stream):
    """R1: what is accepted from random splits is what is accepted whole, and so is what is refused."""
    raw, parts = stream
    whole, refused = read_all([raw])
    split, refused_split = read_all(parts)

    assert whole == split
    assert (refused is None) == (refused_split is None)


@settings(max_examples=400, deadline=None)
@given(streams())
def test_r1_accepts_only_what_a_naive_reader_understands_alike(stream):
    """R1: llhttp and a reader of a dozen lines agree on every request that passes."""
    rest, _ = stream
    for http_request in read_all([rest])[0]:
        method, target, headers, body, rest = by_the_book(rest)

        assert (http_request.method, http_request.headers) == (method, headers)
        assert http_request.body == body
        assert target.startswith("/")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_r1_survives_any_bytes(parts):
    """R1: no bytes raise anything but a refusal."""
    read_all(parts)


def test_h4_what_was_taken_is_not_kept_in_the_buffer():
    """Deleting from the front would leave the bytes where they are."""
    reader = RequestReader(Limits(), Heads(Limits().body, lambda _: True))
    reader.feed(head("Host: x", "Content-Length: 6", first="POST / HTTP/1.1") + b"secret" + GOOD)
    buffer = reader._buffer
    end = len(buffer) - len(GOOD)
    with memoryview(buffer) as view:
        with pytest.raises(BufferError):
            reader.next_request(PEER)
        # It could not be shortened while it is looked at, but it is overwritten first.
        assert set(view[: end - 6]) == {0}
