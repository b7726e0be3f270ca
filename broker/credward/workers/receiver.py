"""The daemon's ear on one worker: answers received in a buffer of our own, taken out, wiped.

The event loop's streams would leave copies of every token behind. Sending is `worker`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from credward.workers.link import (
    MAX_LINE,
    Failed,
    Hello,
    Minted,
    MintedToken,
    decode_answer,
)
from credward.workers.token_bytes import take_token, token_id, wipe

__all__ = ["AnswerReceiver", "LinkBrokenError"]

Answer = Hello | Failed | MintedToken


class LinkBrokenError(Exception):
    """The worker ended, or said something that no worker of ours says."""


class AnswerReceiver(asyncio.BufferedProtocol):
    """Fulfils the one answer that is expected at a time; *on_break* is called once, at the end."""

    def __init__(self, on_break: Callable[[], None]) -> None:
        self._on_break = on_break
        self._broken = False
        self._buffer = bytearray(MAX_LINE)
        self._used = 0
        self._expected: asyncio.Future[Answer] | None = None

    def expect(self) -> asyncio.Future[Answer]:
        """Return what the next line will fulfil, or fail with `LinkBrokenError`."""
        self._expected = asyncio.get_running_loop().create_future()
        if self._broken:
            self._expected.set_exception(LinkBrokenError("ended"))
        return self._expected

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where the next bytes go."""
        return memoryview(self._buffer)[self._used :]

    def buffer_updated(self, nbytes: int) -> None:
        """Look whether the line is whole."""
        start = self._used
        self._used += nbytes
        end = self._buffer.find(b"\n", start, self._used)
        if end < 0 and self._used < MAX_LINE:
            return
        try:
            answer = _read(memoryview(self._buffer)[: self._used], end)
        except LinkBrokenError as error:
            self._break(error)
            return
        finally:
            wipe(memoryview(self._buffer)[: self._used])
            self._used = 0
        if self._expected is None or self._expected.done():
            if isinstance(answer, MintedToken):
                wipe(answer.body)
            self._break(LinkBrokenError("spoke out of turn"))
        else:
            self._expected.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Fail what is expected."""
        wipe(self._buffer)
        self._break(LinkBrokenError("ended"))

    def _break(self, error: LinkBrokenError) -> None:
        if self._broken:
            return
        self._broken = True
        if self._expected is not None and not self._expected.done():
            self._expected.set_exception(error)
            # Whoever waited may have left just now; the failure is then nobody's to hear.
            self._expected.exception()
        self._on_break()


def _read(received: memoryview, end: int) -> Answer:
    # One line per request: anything behind it, or a line that never ends, is not ours.
    if end != len(received) - 1:
        raise LinkBrokenError("said too much")
    try:
        message = decode_answer(received[:end])
        if not isinstance(message, Minted):
            return message
        body = take_token(message.token)
    except (msgspec.DecodeError, ValueError) as error:
        # Without the cause's text, which might quote the line.
        raise LinkBrokenError(f"said what is no answer ({type(error).__name__})") from None
    return MintedToken(
        body=body,
        token_id=token_id(body),
        kind=message.kind,
        issued_at=message.issued_at,
        expires_at=message.expires_at,
        audience=message.audience,
        upstream_id=message.upstream_id,
        warning=message.warning,
    )
