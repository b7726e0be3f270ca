"""What daemon and worker say to each other: one JSON line each way, over a socketpair.

Both ends import this. It moves and checks bytes; when to start, wait or kill is `pool`, and what a
mint does is `main`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind, Recovery, Sent
from credward.settings.network import NetworkSettings
from credward.tokens import Secret, TokenKind
from credward.workers.token_bytes import wipe

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
]

# No token, request or failure is nearly as long (bytes, newline included).
MAX_LINE = 64 * 1024


class MintRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One mint to do. *settings* are the validated ones as plain values; *grant* the one it needs.

    *secrets* are those that the settings refer to and only the daemon can read, by field.

    *now* is the daemon's wall clock, so that both ends count from the same instant.
    """

    credential: str
    settings: dict[str, Any]
    audience: str | None = None
    scopes: list[str] = []
    grant: Secret | None = None
    secrets: dict[str, Secret] = {}
    network: NetworkSettings = NetworkSettings()
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


@dataclass(slots=True, kw_only=True)
class MintedToken:
    """A minted token in the daemon. *body* is the plain text: whoever receives this wipes it.

    *warning* is for people who look at the credential's state, such as a rotation reminder.
    """

    body: bytearray = field(repr=False)
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
_Answer = Hello | Minted | Failed
_answer_decoder: msgspec.json.Decoder[_Answer] = msgspec.json.Decoder(_Answer)


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


def _encode_line(message: msgspec.Struct) -> bytearray:
    line = bytearray(MAX_LINE)
    _encoder.encode_into(message, line)
    line += b"\n"
    if len(line) > MAX_LINE:
        wipe(line)
        raise ValueError(f"a line of {len(line)} bytes is longer than {MAX_LINE}")
    return line
