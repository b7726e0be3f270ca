"""Input and output of every format, and the check that a secret fits on one line.

Each format has its own file; `registry` finds them by name.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from credward.errors import BrokerError, Kind
from credward.tokens import Token

__all__ = ["Format", "ShapeRequest", "Shaped", "one_line_secret"]

_LONGEST = 16_384


class ShapeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How the configuration hands out a credential; None: the default of its kind.

    *now*: Unix time. *header*: the name of the header, perhaps with the word before the token:
    `X-Key`, or `X-Key: Bearer`. *headers*: what a request with the token carries besides it.
    """

    credential: str
    now: float
    header: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    env_name: str | None = None


class Shaped(msgspec.Struct, frozen=True, kw_only=True):
    """A finished body; it holds the secret, so the sender wipes it."""

    body: bytearray
    content_type: str

    def __repr__(self) -> str:
        return f"Shaped({self.content_type})"


class Format(Protocol):
    """Turns a token into the bytes that one kind of client expects."""

    def __call__(self, token: Token, shape_request: ShapeRequest) -> Shaped:
        """Return the body for *token*; raises `bad-request` if its kind has no such format."""
        ...


def one_line_secret(token: Token, credential: str, format_name: str) -> str:
    """Return the secret as one printable ASCII line; refuse anything that could break it."""
    if token.kind == "aws":
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential}" is an AWS credential and has no format "{format_name}": '
            "ask for format aws-process",
        )
    secret = token.secret.reveal()
    if not secret:
        raise BrokerError(Kind.PROVIDER_REFUSED, f'"{credential}" minted an empty token')
    if len(secret) > _LONGEST or not secret.isascii() or not secret.isprintable():
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{credential}" minted something that is not one printable ASCII token '
            f"of at most {_LONGEST} characters",
        )
    return secret
