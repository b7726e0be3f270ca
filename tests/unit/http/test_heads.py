"""What a head says, and which heads are remembered."""

from __future__ import annotations

import pytest

from credward.http.heads import Heads
from credward.http.limits import Limits


def head(*lines: str, first: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([first, *lines, "", ""]).encode("latin-1")


def known(heads: Heads, raw: bytes) -> bool:
    """Whether this head is answered from memory the second time."""
    first = heads.read(raw, {})
    heads.remember(first)
    return heads.read(raw, {}) is first


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (head("Host: x", "User-Agent: helper", "Accept: text/plain", "Connection: close"), True),
        (head("Host: x", "Authorization: Bearer canary"), False),
        (head("Host: x", "Cookie: canary"), False),
        (head("Host: x", "Content-Length: 6"), False),
        (head("Host: x", f"User-Agent: {'a' * 600}"), False),
        (head("Host: x", first="GET /?secret=canary HTTP/1.1"), False),
    ],
)
def test_h4_only_a_head_that_holds_no_secret_is_remembered(raw, kept):
    """H4: by its headers, its length, and what the door says of the target."""
    heads = Heads(Limits().body, lambda target: b"secret" not in target)

    assert known(heads, raw) is kept
    assert (raw in heads._known) is kept


def test_a_remembered_head_says_the_same_and_cannot_be_changed():
    """Its headers are shared by all requests with it."""
    heads = Heads(Limits().body, lambda _: True)
    raw = head("Host: x", first="GET /a%2Db?timeout=4 HTTP/1.1")
    before = heads.read(raw, {})

    assert (before.method, before.path, before.query) == ("GET", "/a-b", {"timeout": "4"})
    with pytest.raises(TypeError):
        heads.read(raw, {}).headers["host"] = "y"


def test_no_flood_of_heads_is_kept():
    """Different ones, one after another, take no more than so much memory."""
    heads = Heads(Limits().body, lambda _: True)
    for number in range(1000):
        heads.remember(heads.read(head("Host: x", first=f"GET /{number} HTTP/1.1"), {}))

    assert len(heads._known) <= 256
