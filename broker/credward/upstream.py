"""One question to the service that takes a token, and how it answered: values, no secret in them.

The daemon decides what is asked (`issuing.questions`), a worker asks (`providers.upstream`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

__all__ = ["Question", "Reply", "Signing", "Trouble"]

# How a connection ended without an answer.
Trouble = Literal[
    "dns",
    "refused",
    "unreachable",
    "tls",
    "tls-untrusted",
    "tls-expired",
    "tls-name",
    "timeout",
    "closed",
]


class Signing(msgspec.Struct, frozen=True, kw_only=True):
    """What AWS keys sign for (Signature Version 4)."""

    service: str
    region: str


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One POST. *present*: the headers that carry the token; AWS keys sign instead.

    *timeout*: seconds that the server may be silent.
    """

    url: str
    headers: dict[str, str]
    body: str
    present: Literal["bearer", "api-key", "both"] | Signing
    timeout: float = 15.0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back: either a *status* or a *trouble*, never a text of the server.

    *request_id* is the server's name for the request, *error* a word of a closed list, each empty
    if there is none. *retry_after* is in seconds. *proxied*: the trouble is with the proxy.
    """

    status: int = 0
    trouble: Trouble | None = None
    proxied: bool = False
    request_id: str = ""
    error: str = ""
    retry_after: float | None = None
