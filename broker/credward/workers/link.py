"""Messages between daemon and worker: JSON lines over a socketpair.

A mint, or a probe, is one line each way. A login is a conversation: the worker says what to show to
the user (`LoginStep`), the daemon passes on what the user types (`LoginAnswer`), and `GrantGiven`
ends it.
Both ends import this. It moves and checks bytes; `pool` decides when to start, wait or kill, and
`main` mints.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from credward.errors import Failure, Kind, Recovery, Sent
from credward.settings.network import NetworkSettings
from credward.tokens import Secret, TokenKind
from credward.upstream import Question, Reply
from credward.workers.token_bytes import wipe

__all__ = [
    "MAX_LINE",
    "CheckRequest",
    "Done",
    "Failed",
    "GrantGiven",
    "Hello",
    "LoginAnswer",
    "LoginRequest",
    "LoginStep",
    "Message",
    "MintRequest",
    "Minted",
    "MintedToken",
    "ProbeRequest",
    "Probed",
    "Request",
    "RevokeRequest",
    "Rotated",
    "Rotation",
    "decode_answer",
    "decode_request",
    "encode_answer",
    "encode_request",
]

# Much longer than any token, request or failure (bytes, newline included).
MAX_LINE = 128 * 1024


class Rotation(msgspec.Struct, frozen=True, kw_only=True):
    """The lease of a grant that this mint may replace (see `store.journal`).

    *key*: the one-mint key in base64, only for sealing the new grant of this mint.
    """

    mint: str
    grant: str
    family: int
    generation: int
    rotation_retry: bool = True
    key: Secret


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """What every request to a provider holds.

    *settings* are the validated ones as plain values; *grant* is the one it needs; *secrets*, by
    field, are those that the settings refer to and only the daemon can read. *now* is the daemon's
    wall clock, so that both ends count from the same instant.
    """

    credential: str
    settings: dict[str, Any]
    audience: str | None = None
    scopes: list[str] = []
    grant: Secret | None = None
    secrets: dict[str, Secret] = {}
    network: NetworkSettings = NetworkSettings()
    now: float


class MintRequest(_Request, frozen=True, kw_only=True, tag="mint"):
    """One mint to do; *used_proofs* are names of one-time proofs that are used up."""

    rotation: Rotation | None = None
    used_proofs: list[str] = []


class LoginRequest(_Request, frozen=True, kw_only=True, tag="login"):
    """One login of a user; the grant comes back sealed under *key* (base64).

    *claims*: the challenge that it must answer, as JSON; empty if there is none.
    """

    method: str
    key: Secret
    claims: str = ""


class RevokeRequest(_Request, frozen=True, kw_only=True, tag="revoke"):
    """One grant to revoke upstream."""


class CheckRequest(_Request, frozen=True, kw_only=True, tag="check"):
    """A server to be asked whether people can log in there as the settings say."""


class ProbeRequest(msgspec.Struct, frozen=True, kw_only=True, tag="probe"):
    """One question to ask with *token*, of kind *kind*; *now* as in a mint."""

    credential: str
    question: Question
    token: Secret
    kind: TokenKind
    network: NetworkSettings = NetworkSettings()
    now: float


class LoginAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="answer"):
    """What the user typed into the prompt for *field*; None: the prompt is no longer open."""

    field: str
    value: Secret | None


class Hello(msgspec.Struct, frozen=True, kw_only=True, tag="hello"):
    """The first line of a worker: the version of its code."""

    version: str
    provider: str


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """A new grant from a mint, sealed under the one-mint key as in the journal.

    *durable*: whether the journal took it. *window*: seconds in which the exchange was open.
    """

    sealed: bytes
    durable: bool
    window: float


class Minted(msgspec.Struct, frozen=True, kw_only=True, tag="minted"):
    """A successful mint; *token* is a JSON string, still in the buffer it came in.

    *used_up*: names of one-time proofs that are used up, and their ends in Unix seconds.
    """

    token: msgspec.Raw
    kind: TokenKind
    issued_at: float
    expires_at: float | None
    audience: str | None = None
    upstream_id: str | None = None
    warning: str | None = None
    rotated: Rotated | None = None
    used_up: dict[str, float] = {}


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """A mint that failed: the fields of a `Failure`, and *used_up* as in `Minted`."""

    kind: str
    cause: str
    reason: str = ""
    remedy: str = ""
    also: str = ""
    since: float | None = None
    hint: str = ""
    retry_after: float | None = None
    recovery: Recovery
    sent: Sent
    challenge: str = ""
    local: bool = False
    said: str = ""
    used_up: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"Failed({self.kind}: {self.cause})"

    @classmethod
    def of(cls, failure: Failure, used_up: Mapping[str, float] = {}) -> Failed:
        """Return *failure* in its form on the wire."""
        facts = msgspec.structs.asdict(failure)
        return cls(**facts | {"kind": failure.kind.slug, "used_up": dict(used_up)})

    def failure(self) -> Failure:
        """Return the failure."""
        facts = msgspec.structs.asdict(self)
        del facts["used_up"]
        return Failure(**facts | {"kind": Kind.from_slug(self.kind)})


class LoginStep(msgspec.Struct, frozen=True, kw_only=True, tag="event"):
    """Something for the user to see or do; *event* says which fields are set."""

    event: Literal["open_url", "user_code", "prompt", "prompt_closed", "waiting"]
    url: str | None = None
    user_code: str | None = None
    complete_url: str | None = None
    field: str | None = None
    label: str | None = None
    secret: bool = False
    message: str | None = None


class GrantGiven(msgspec.Struct, frozen=True, kw_only=True, tag="granted"):
    """A successful login; the grant is sealed under the key of its request."""

    sealed: bytes


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """The request is done, with no result."""


class Probed(msgspec.Struct, frozen=True, kw_only=True, tag="probed"):
    """The question was asked."""

    reply: Reply


class MintedToken(msgspec.Struct, kw_only=True):
    """A minted token in the daemon. *body* is the plain text: the receiver wipes it.

    *warning* is shown with the credential's state, such as a rotation reminder. *rotated* is the
    new grant of this mint, if any; *used_up* as in `Minted`.
    """

    body: bytearray
    token_id: str
    kind: TokenKind
    issued_at: float
    expires_at: float | None
    audience: str | None = None
    upstream_id: str | None = None
    warning: str | None = None
    rotated: Rotated | None = None
    used_up: Mapping[str, float] = msgspec.field(default_factory=dict)

    def __repr__(self) -> str:
        return f"MintedToken({self.token_id})"


def _reveal(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    raise NotImplementedError


def _conceal(wanted: type, value: object) -> object:
    if wanted is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError


_encoder = msgspec.json.Encoder(enc_hook=_reveal)
Request = MintRequest | LoginRequest | RevokeRequest | CheckRequest | ProbeRequest | LoginAnswer
_request_decoder: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request, dec_hook=_conceal)
Message = Hello | Minted | Failed | LoginStep | GrantGiven | Done | Probed
_answer_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)


def encode_request(request: Request) -> bytearray:
    """Return the line; it may hold a secret, so the sender wipes it."""
    return _encode_line(request)


def decode_request(line: memoryview | bytearray) -> Request:
    """Read a line of the daemon; raise `msgspec.DecodeError` for anything else."""
    return _request_decoder.decode(line)


def encode_answer(answer: Message) -> bytearray:
    """Return the line; it may hold the token, so the sender wipes it."""
    return _encode_line(answer)


def decode_answer(line: memoryview | bytearray) -> Message:
    """Read a line of a worker; raise `msgspec.DecodeError` for anything else.

    A token in it stays in place: release it before the buffer is wiped.
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
