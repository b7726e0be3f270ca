"""One connection: read a request, have it answered, write, wipe; each step with a deadline.

One request is in hand at a time and reading is paused meanwhile, so a client's memory here is
bounded by one head, one body and one answer. Counting connections is `http11`, the meaning of
bytes is `reading`.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable
from functools import partial
from typing import Protocol, cast

from credward.callers.peer import Peer
from credward.errors import BrokerError, Kind
from credward.http.deadlines import Deadline
from credward.http.limits import Limits
from credward.http.messages import (
    Handler,
    HttpRequest,
    HttpResponse,
    RefusedRequest,
    RenderError,
    encode_head,
    wipe,
)
from credward.http.reading import RequestReader

__all__ = ["Connection", "Host"]

_log = logging.getLogger(__name__)

# What a refused client may still send before it is cut off instead of listened to politely (bytes).
_DISCARD = 256 * 1024


class Host(Protocol):
    """The server that a connection belongs to."""

    loop: asyncio.AbstractEventLoop
    limits: Limits
    handler: Handler
    render_error: RenderError
    closing: bool
    scratch: bytearray

    @property
    def crowded(self) -> bool:
        """Whether connections are wanted back."""
        ...

    def admit(self, transport: asyncio.Transport) -> Peer:
        """Return who connected, or raise `BrokerError`."""
        ...

    def forget(self, connection: Connection) -> None:
        """Note that the connection is gone."""
        ...

    def own(self, answer: Awaitable[HttpResponse]) -> asyncio.Future[HttpResponse]:
        """Drive *answer* to its end, whether or not anybody still waits for it."""
        ...


class _State(enum.Enum):
    READING = enum.auto()
    ANSWERING = enum.auto()
    WRITING = enum.auto()
    DISCARDING = enum.auto()
    CLOSED = enum.auto()


class Connection(asyncio.BufferedProtocol):
    """The protocol object that the event loop talks to; its callbacks are those of asyncio."""

    __slots__ = (
        "_deadline",
        "_discarded",
        "_half_closed",
        "_head_only",
        "_host",
        "_keep_alive",
        "_polite",
        "_reader",
        "_state",
        "_transport",
        "_unsent",
        "answers",
        "peer",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._reader = RequestReader(host.limits)
        self._state = _State.READING
        self._transport: asyncio.Transport | None = None
        self._deadline = Deadline(host.loop, self._expire)
        self._unsent: bytearray | None = None
        self._half_closed = False
        self._head_only = False
        self._keep_alive = False
        self._polite = False
        self._discarded = 0
        self.answers = 0
        self.peer: Peer | None = None

    # --- what the loop calls ------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Find out who connected; a peer that is not welcome hears why."""
        self._transport = cast("asyncio.Transport", transport)
        # Zero: the loop writes at once and tells when it could not, for then wiping has to wait.
        self._transport.set_write_buffer_limits(high=0)
        self._deadline.set(self._host.limits.read_deadline)
        try:
            self.peer = self._host.admit(self._transport)
        except BrokerError as error:
            self._refuse(error)

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's signature
        """Return where to put bytes; the loop's own buffer would keep them."""
        return self._host.scratch

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes, and answer if they complete a request."""
        scratch = self._host.scratch
        data = scratch[:nbytes]
        scratch[:nbytes] = bytes(nbytes)
        try:
            self._received(data)
        finally:
            wipe(data)

    def _received(self, data: bytearray) -> None:
        if self._state is _State.DISCARDING:
            self._discarded += len(data)
            if self._discarded > _DISCARD:
                self.abort()
            return
        if self._state is _State.CLOSED:
            return
        reader = self._reader
        if self.answers and not reader.pending:
            # The first byte after idling: from here on it is a request, with a request's deadline.
            self._deadline.set(self._host.limits.read_deadline)
        reader.feed(data)
        if self._state is _State.READING:
            self._advance()

    def eof_received(self) -> bool:
        """Return whether an answer is still to be written."""
        self._half_closed = True
        # A client may close its half and still wait for its answer.
        return self._state in {_State.ANSWERING, _State.WRITING}

    def pause_writing(self) -> None:
        """Nothing to do: there is never more than one answer to write."""

    def resume_writing(self) -> None:
        """Go on: the kernel has taken everything."""
        if self._state is _State.WRITING:
            self._sent()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Give everything back; an answer still being made will find nobody and be wiped."""
        self._state = _State.CLOSED
        self._deadline.close()
        self._wipe_unsent()
        self._reader.wipe()
        if self.peer is not None:
            self.peer.close()
        self._host.forget(self)

    # --- what the server calls ----------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether it was answered and has not begun another request."""
        return self._state is _State.READING and self.answers > 0 and not self._reader.pending

    @property
    def begun(self) -> bool:
        """Whether a request has begun to come, or is being answered."""
        return self._reader.pending or self._state not in {_State.READING, _State.CLOSED}

    def abort(self) -> None:
        """Drop the connection and whatever is unsent."""
        if self._transport is not None:
            self._transport.abort()

    def hang_up(self) -> None:
        """Close once what was written has left."""
        if self._transport is not None:
            self._transport.close()

    # --- answering ----------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take the next whole request, if there is one, and have it answered."""
        if self._state is not _State.READING or self.peer is None:
            return
        try:
            http_request = self._reader.next_request(self.peer)
        except RefusedRequest as error:
            self._refuse(error)
            return
        if http_request is None:
            if self._half_closed:
                self.hang_up()
            elif self._transport is not None:
                self._transport.resume_reading()
            return
        self._state = _State.ANSWERING
        self._deadline.clear()
        self._head_only = http_request.method == "HEAD"
        try:
            answer = self._host.handler(http_request)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is an answer too
            answer = self._render(error, http_request)
        if isinstance(answer, HttpResponse):
            wipe(http_request.body)
            self._send(answer)
            return
        if self._transport is not None:
            self._transport.pause_reading()
        self._host.own(answer).add_done_callback(partial(self._answered, http_request))

    def _answered(self, http_request: HttpRequest, answer: asyncio.Future[HttpResponse]) -> None:
        wipe(http_request.body)
        if answer.cancelled():
            response = self._render(BrokerError(Kind.TIMED_OUT, "the daemon stops"), http_request)
        elif (error := answer.exception()) is not None:
            response = self._render(error, http_request)
        else:
            response = answer.result()
        self._send(response)

    def _render(self, error: BaseException, http_request: HttpRequest) -> HttpResponse:
        if not isinstance(error, BrokerError):
            _log.error("%s %s failed", http_request.method, http_request.path, exc_info=error)
            error = BrokerError(Kind.INTERNAL, "the daemon failed on this request: see its log")
        return self._host.render_error(error, http_request.headers)

    def _refuse(self, error: BrokerError) -> None:
        """Answer what was not even read, and leave."""
        self._polite = True
        self._head_only = False
        self._send(self._host.render_error(error, self._reader.headers))

    # --- writing ------------------------------------------------------------------------------

    def _send(self, response: HttpResponse) -> None:
        transport = self._transport
        if transport is None or self._state is _State.CLOSED or transport.is_closing():
            if response.wipe:
                wipe(response.body)
            return
        host = self._host
        self._keep_alive = (
            self._reader.keep_alive
            and not (self._polite or self._half_closed)
            and not (host.closing or host.crowded)
        )
        try:
            output = bytearray(encode_head(response, keep_alive=self._keep_alive))
        except ValueError:
            _log.exception("an answer could not be written")
            wipe(response.body)
            self.abort()
            return
        if not self._head_only:
            output += response.body
        if response.wipe:
            wipe(response.body)
            self._unsent = output
        self.answers += 1
        self._state = _State.WRITING
        transport.write(output)
        # With a full send buffer the loop keeps a view of these bytes: wiping now would send zeros.
        if transport.get_write_buffer_size() == 0:
            self._sent()
        else:
            transport.pause_reading()
            self._deadline.set(host.limits.write_deadline)

    def _sent(self) -> None:
        """Go on after the kernel has taken the whole answer."""
        self._wipe_unsent()
        transport = self._transport
        if transport is None:
            return
        if self._polite:
            self._linger(transport)
        elif not self._keep_alive:
            transport.close()
        else:
            self._state = _State.READING
            if self._reader.pending:
                # Pipelined: one request per turn of the loop, so that others get theirs in between.
                self._deadline.set(self._host.limits.read_deadline)
                transport.pause_reading()
                self._host.loop.call_soon(self._advance)
            else:
                self._deadline.set(self._host.limits.idle_deadline)
                transport.resume_reading()

    def _linger(self, transport: asyncio.Transport) -> None:
        # Closing with unread bytes makes the kernel reset the connection: the answer would be lost.
        self._state = _State.DISCARDING
        self._deadline.set(self._host.limits.linger)
        if self._half_closed or not transport.can_write_eof():
            transport.close()
            return
        try:
            transport.write_eof()
            transport.resume_reading()
        except (OSError, RuntimeError):
            transport.abort()

    def _wipe_unsent(self) -> None:
        if self._unsent is not None:
            wipe(self._unsent)
            self._unsent = None

    def _expire(self) -> None:
        if self._state is _State.READING and self._reader.pending:
            seconds = self._host.limits.read_deadline
            text = f"request was not whole after {seconds:g} s"
            self._refuse(RefusedRequest(408, text, Kind.TIMED_OUT))
        elif self._state is _State.READING:
            self.hang_up()
        else:
            self.abort()
