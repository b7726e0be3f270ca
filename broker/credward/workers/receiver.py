"""The receiving side of one worker's link: lines go into our own buffer, are taken out and wiped.

The event loop's streams would leave copies of every token behind. Sending is `worker`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from credward.workers.link import (
    MAX_LINE,
    Done,
    Failed,
    GrantGiven,
    Hello,
    LoginStep,
    Minted,
    MintedToken,
    Probed,
    decode_answer,
)
from credward.workers.token_bytes import take_token, token_id, wipe

__all__ = ["AnswerReceiver", "LinkBrokenError"]

Answer = Hello | Failed | MintedToken | GrantGiven | Done | Probed


class LinkBrokenError(Exception):
    """The worker ended, or sent something invalid."""


class AnswerReceiver(asyncio.BufferedProtocol):
    """Fulfils the one answer that is expected at a time; *on_break* is called once, at the end.

    *on_event* hears what a login tells before its answer.
    """

    def __init__(self, on_break: Callable[[], None]) -> None:
        self._on_break = on_break
        self.on_event: Callable[[LoginStep], None] | None = None
        self._broken = False
        self._buffer = bytearray(MAX_LINE)
        self._used = 0
        self._expected: asyncio.Future[Answer] | None = None

    def expect(self) -> asyncio.Future[Answer]:
        """Return a future for the next line; it may fail with `LinkBrokenError`."""
        self._expected = asyncio.get_running_loop().create_future()
        if self._broken:
            self._expected.set_exception(LinkBrokenError("ended"))
        return self._expected

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return where the next bytes go."""
        return memoryview(self._buffer)[self._used :]

    def buffer_updated(self, nbytes: int) -> None:
        """Take out the complete lines."""
        start = self._used
        self._used += nbytes
        try:
            while (end := self._buffer.find(b"\n", start, self._used)) >= 0:
                answer = _read(memoryview(self._buffer)[:end])
                self._drop(end + 1)
                start = 0
                self._take(answer, more=self._used > 0)
        except LinkBrokenError as error:
            self._drop(self._used)
            self._break(error)
        if self._used >= MAX_LINE:
            self._drop(self._used)
            self._break(LinkBrokenError("sent too much"))

    def _take(self, answer: Answer | LoginStep, *, more: bool) -> None:
        waiting = self._expected is not None and not self._expected.done()
        if isinstance(answer, LoginStep) and self.on_event is not None and waiting:
            self.on_event(answer)
        elif isinstance(answer, LoginStep) or not waiting or more:
            # One answer per request: anything after it is invalid.
            if isinstance(answer, MintedToken):
                wipe(answer.body)
            raise LinkBrokenError("sent an answer without a request")
        elif self._expected is not None:
            self._expected.set_result(answer)

    def _drop(self, size: int) -> None:
        """Take the first *size* bytes out of the buffer and wipe them there."""
        rest = self._used - size
        self._buffer[:rest] = self._buffer[size : self._used]
        wipe(memoryview(self._buffer)[rest : self._used])
        self._used = rest

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Fail the expected answer."""
        wipe(self._buffer)
        # Released at once: references to us may form a cycle, which lives until it is collected.
        self._buffer = bytearray()
        self._break(LinkBrokenError("ended"))

    def _break(self, error: LinkBrokenError) -> None:
        if self._broken:
            return
        self._broken = True
        if self._expected is not None and not self._expected.done():
            self._expected.set_exception(error)
            # The waiter may have just left; then nobody needs the failure.
            self._expected.exception()
        self._on_break()


def _read(line: memoryview) -> Answer | LoginStep:
    try:
        message = decode_answer(line)
        if not isinstance(message, Minted):
            return message
        body = take_token(message.token)
    except (msgspec.DecodeError, ValueError) as error:
        # Without the cause's text, which might quote the line.
        raise LinkBrokenError(f"sent an invalid answer ({type(error).__name__})") from None
    return MintedToken(
        body=body,
        token_id=token_id(body),
        kind=message.kind,
        issued_at=message.issued_at,
        expires_at=message.expires_at,
        audience=message.audience,
        upstream_id=message.upstream_id,
        warning=message.warning,
        rotated=message.rotated,
        used_up=message.used_up,
    )
