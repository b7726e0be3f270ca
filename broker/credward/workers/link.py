"""What daemon and worker say to each other: one JSON line each way, over a socketpair.

Both ends import this. It moves and checks bytes; when to start, wait or kill is `pool`, and what a
mint does is `main`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind, Recovery, Sent
from credward.tokens import Secret, TokenKind

__all__ = [
    "MAX_LINE",
    "Failed",
    "Hello",
    "MintRequest",
    "Minted",
    "MintedToken",
    "decode_answer",
    "decode_mint_request",
    "encode_answer",
    "encode_mint_request",
    "find_unprintable",
    "take_token",
    "wipe",
]

# No token, request or failure is nearly as long (bytes, newline included).
MAX_LINE = 64 * 1024


class MintRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One mint to do. *settings* are the validated ones as plain values; *grant* the one it needs.

    *now* is the daemon's wall clock, so that both ends count from the same instant.
    """

    credential: str
    settings: dict[str, Any]
    audience: str | None = None
    scopes: list[str] = []
    grant: Secret | None = None
    now: float


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The first line of a worker: which version of the code it runs."""

    version: str
    provider: str


class Minted(msgspec.Struct, frozen=True, kw_only=True, tag="minted"):
    """A mint that went well; *token* is a JSON string still in place in the buffer it came in."""

    token: msgspec.Raw
    kind: TokenKind
    issued_at: float
    expires_at: float | None
    audience: str | None = None
    upstream_id: str | None = None
    warning: str | None = None


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """A mint that failed: the fields of a `BrokerError`."""

    kind: str
    message: str
    hint: str = ""
    retry_after: float | None = None
    recovery: Recovery
    sent: Sent

    @classmethod
    def of(cls, failure: BrokerError) -> Failed:
        """Return *failure* as it travels."""
        return cls(
            kind=failure.kind.slug,
            message=failure.message,
            hint=failure.hint,
            retry_after=failure.retry_after,
            recovery=failure.recovery,
            sent=failure.sent,
        )

    def error(self) -> BrokerError:
        """Return the failure as an exception again."""
        return BrokerError(
            Kind.from_slug(self.kind),
            self.message,
            hint=self.hint,
            retry_after=self.retry_after,
            recovery=self.recovery,
            sent=self.sent,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MintedToken:
    """A minted token in the daemon. *body* is the plain text: whoever receives this wipes it.

    *warning* is for people who look at the credential's state, such as a rotation reminder.
    """

    body: bytearray
    token_id: str
    kind: TokenKind
    issued_at: float
    expires_at: float | None
    audience: str | None = None
    upstream_id: str | None = None
    warning: str | None = None


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _conceal(wanted: type, value: object) -> object:
    if wanted is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError


_encoder = msgspec.json.Encoder(enc_hook=_reveal)
_mint_request_decoder = msgspec.json.Decoder(MintRequest, dec_hook=_conceal)
_answer_decoder = msgspec.json.Decoder(Hello | Minted | Failed)


def encode_mint_request(mint_request: MintRequest) -> bytearray:
    """Return the line; it may hold the grant, so whoever sends it wipes it."""
    return _encode_line(mint_request)


def decode_mint_request(line: memoryview | bytearray) -> MintRequest:
    """Read a line of the daemon; raise `msgspec.DecodeError` for anything else."""
    return _mint_request_decoder.decode(line)


def encode_answer(answer: Hello | Minted | Failed) -> bytearray:
    """Return the line; it may hold the token, so whoever sends it wipes it."""
    return _encode_line(answer)


def decode_answer(line: memoryview | bytearray) -> Hello | Minted | Failed:
    """Read a line of a worker; raise `msgspec.DecodeError` for anything else.

    A token in it stays where it is: release it before the buffer is wiped.
    """
    return _answer_decoder.decode(line)


def take_token(token: msgspec.Raw) -> bytearray:
    """Return the text of a JSON string of printable ASCII as bytes of our own, with no other copy.

    Raise `ValueError` for anything else: such a token could not go into a header either.
    """
    view = memoryview(token)
    size = len(view) - 2
    if size <= 0 or view[0] != ord('"'):
        raise ValueError("a token is a text of at least one character")
    body = bytearray(view[1:-1])
    length = _unescape(body)
    if (at := find_unprintable(memoryview(body)[:length])) >= 0:
        wipe(body)
        raise ValueError(f"a token is printable ASCII (character {at + 1} is not)")
    # Cut from behind: what follows was set to zero by `_unescape`.
    del body[length:]
    return body


def token_id(body: bytearray) -> str:
    """Return the same short one-way name as `Secret.token_id`, without making a text of it."""
    return hashlib.sha256(body).hexdigest()[:16]


def find_unprintable(body: memoryview | bytearray) -> int:
    """Return the index of the first byte that is not printable ASCII, -1 if there is none."""
    return next((at for at, byte in enumerate(body) if not 0x20 <= byte <= 0x7E), -1)


def wipe(buffer: bytearray | memoryview) -> None:
    """Overwrite every byte."""
    buffer[:] = bytes(len(buffer))


def _encode_line(message: msgspec.Struct) -> bytearray:
    line = bytearray(MAX_LINE)
    _encoder.encode_into(message, line)
    line += b"\n"
    if len(line) > MAX_LINE:
        wipe(line)
        raise ValueError(f"a line of {len(line)} bytes is longer than {MAX_LINE}")
    return line


def _unescape(body: bytearray) -> int:
    """Undo JSON's escapes in place, return the new length, and zero what is left behind it.

    Printable ASCII needs two escapes only, of the quote and of the backslash (tokens of kind `aws`
    are JSON themselves); every other one stands for something that is not printable.
    """
    read, write, size = 0, 0, len(body)
    while (found := body.find(b"\\", read)) >= 0:
        if found + 1 == size or body[found + 1] not in b'"\\':
            wipe(body)
            raise ValueError("a token is printable ASCII (it holds an escape)")
        _move(body, write, read, found)
        write += found - read
        body[write] = body[found + 1]
        write += 1
        read = found + 2
    _move(body, write, read, size)
    write += size - read
    for at in range(write, size):
        body[at] = 0
    return write


def _move(body: bytearray, to: int, start: int, end: int) -> None:
    # Through a view and forwards, where a slice of the bytearray would be a copy of the secret.
    if to != start:
        for offset in range(end - start):
            body[to + offset] = body[start + offset]
