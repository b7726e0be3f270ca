"""How a response looks on the wire."""

from __future__ import annotations

import pytest

from credward.http.messages import HttpResponse, encode_head, wipe


def test_writes_status_length_and_headers():
    """The head says what follows; staying connected is the default and needs no word."""
    response = HttpResponse(
        status=200, body=b"hello\n", content_type="text/plain", headers=(("Token-Id", "ab"),)
    )

    assert encode_head(response, keep_alive=True) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nToken-Id: ab\r\n\r\n"
    )
    assert encode_head(response, keep_alive=False).endswith(b"Connection: close\r\n\r\n")


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: b", "a\nb", "a\rb"])
def test_refuses_to_write_a_line_break(value):
    """A value with a line break would be a header of somebody else's choice."""
    with pytest.raises(ValueError, match="line break"):
        encode_head(HttpResponse(status=200, headers=(("A", value),)), keep_alive=True)


def test_wipes_in_place():
    """The buffer itself is zeroed, whoever else holds it."""
    body = bytearray(b"secret")
    view = memoryview(body)
    wipe(body)

    assert bytes(6) == bytes(view)
