"""What is ours of what lies at the place of a sink: known by its content, never by its place.

A mark is a digest with a salt of its own, so that the record of them tells nothing of a token, not
even that two files held the same. A process that can write both the file and the record can make
anything ours.
"""

from __future__ import annotations

import hmac
import secrets

from credward.errors import BrokerError, Kind

__all__ = ["Marks", "NotOursError", "claimed", "marks_of", "not_ours"]

# Each `salt:digest`; what fits one of them is ours.
Marks = tuple[str, ...]


class NotOursError(BrokerError):
    """Something that we did not write, or that was changed since: to be left alone."""


def marks_of(*contents: bytes | bytearray) -> Marks:
    """Return a mark of each of *contents*."""
    return tuple(_mark(secrets.token_hex(16), each) for each in contents)


def claimed(ours: Marks, content: bytes | None, refusal: NotOursError) -> Marks:
    """Return those of *ours* that *content* fits, none if it is None: nothing is there.

    Raise *refusal* if it fits none.
    """
    if content is None:
        return ()
    fitting = tuple(each for each in ours if _mark(each.partition(":")[0], content) == each)
    if not fitting:
        raise refusal
    return fitting


def not_ours(what: str, remedy: str) -> NotOursError:
    """Return the refusal of *what*, in quotes; *remedy* is what its owner can do about it."""
    return NotOursError(
        Kind.FIX_CONFIGURATION,
        f"{what} was written or changed by somebody else: {remedy}, then run "
        "credward daemon reload",
    )


def _mark(salt: str, content: bytes | bytearray) -> str:
    return f"{salt}:{hmac.digest(salt.encode(), content, 'sha256').hex()}"
