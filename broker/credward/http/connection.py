"""One connection: read a request, have it answered, write, wipe; each step with a deadline.

If the request and its answer are there at once, it is answered before the loop turns: no task, no
timer, no callback. One request is handled at a time and reading is paused meanwhile, so one head,
one body and one answer bound the memory that a client takes here. `http11` counts connections,
`stream` is the socket, `reading` parses the bytes.
"""

from __future__ import annotations

import asyncio
import enum
import logging
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from credward.callers.peer import Peer
from credward.errors import BrokerError, Kind
from credward.http.deadlines import Deadline
from credward.http.heads import Heads
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
from credward.http.stream import Stream

__all__ = ["Connection", "Host"]

_log = logging.getLogger(__name__)

# How much a refused client may still send before it is cut off (bytes).
_DISCARD = 256 * 1024


class Host(Protocol):
    """The server that a connection belongs to."""

    loop: asyncio.AbstractEventLoop
    limits: Limits
    heads: Heads
    handler: Handler
    render_error: RenderError
    closing: bool
    scratch: bytearray

    @property
    def crowded(self) -> bool:
        """Whether there are so many connections that idle ones should close."""
        ...

    def admit(self, connected: socket.socket) -> Peer:
        """Return who connected, or raise `BrokerError`."""
        ...

    def may_linger(self, connection: Connection) -> bool:
        """Return whether a refused connection may stay for a moment, and count it if so."""
        ...

    def forget(self, connection: Connection) -> None:
        """Note that the connection is gone."""
        ...

    def own(self, answer: Awaitable[HttpResponse]) -> asyncio.Future[HttpResponse]:
        """Run *answer* to its end, even if nobody waits for it any more."""
        ...


class _State(enum.Enum):
    READING = enum.auto()
    ANSWERING = enum.auto()
    WRITING = enum.auto()
    DISCARDING = enum.auto()
    CLOSED = enum.auto()


class Connection:
    """One client, from `begin` until it is closed by either side."""

    __slots__ = (
        "_deadline",
        "_discarded",
        "_head_only",
        "_host",
        "_keep_alive",
        "_output",
        "_polite",
        "_reader",
        "_sent",
        "_state",
        "_stream",
        "answers",
        "peer",
    )

    def __init__(self, host: Host, connected: socket.socket) -> None:
        self._host = host
        self._reader = RequestReader(host.limits, host.heads)
        self._state = _State.READING
        self._stream = Stream(host.loop, connected, host.scratch)
        # Made when we have to wait for the first time.
        self._deadline: Deadline | None = None
        # The answer, and how many bytes of it the kernel has taken.
        self._output = bytearray()
        self._sent = 0
        self._head_only = False
        self._keep_alive = False
        self._polite = False
        self._discarded = 0
        self.answers = 0
        self.peer: Peer | None = None

    # --- what the server calls ----------------------------------------------------------------

    def begin(self) -> None:
        """Find out who connected, and read what is there; a refused peer hears why."""
        self._safely(self._begin)

    @property
    def idle(self) -> bool:
        """Whether it was answered and has not started another request."""
        return self.answers > 0 and not self.begun

    @property
    def begun(self) -> bool:
        """Whether a request has started to arrive, or is being answered."""
        return self._reader.pending or self._state not in {_State.READING, _State.CLOSED}

    def hang_up(self) -> None:
        """Close, unless a request has started meanwhile."""
        if not self.begun:
            self.close()

    def close(self) -> None:
        """Release everything; an answer that is still being made is wiped."""
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        self._stream.close()
        if self._deadline is not None:
            self._deadline.close()
        self._wipe_output()
        self._reader.wipe()
        if self.peer is not None:
            self.peer.close()
        self._host.forget(self)

    def _safely(self, step: Callable[[], None]) -> None:
        """Take one step; a defect of ours costs this connection, but frees its place."""
        try:
            step()
        except Exception:  # noqa: BLE001 - whatever it is
            _log.exception("a connection failed, and is closed")
            self.close()

    def _set_deadline(self, seconds: float, *, unless_set: bool = False) -> None:
        """Set the deadline of this step."""
        if self._deadline is None:
            self._deadline = Deadline(self._host.loop, self._expire)
        if not (unless_set and self._deadline.is_set):
            self._deadline.set(seconds)

    def _clear_deadline(self) -> None:
        """End the deadline of this step."""
        if self._deadline is not None:
            self._deadline.clear()

    # --- reading ------------------------------------------------------------------------------

    def _begin(self) -> None:
        try:
            self.peer = self._host.admit(self._stream.socket)
        except BrokerError as error:
            self._refuse(error)
        else:
            self._read()

    def _read(self) -> None:
        """Take bytes, and answer if they complete a request."""
        try:
            received = self._stream.receive()
        except OSError:
            self.close()
            return
        if received is None:
            self._wait_for_bytes()
            return
        try:
            self._received(received)
        finally:
            wipe(received)

    def _received(self, data: bytearray) -> None:
        if not data:
            # A client may close its half and still wait for its answer: then nothing is read.
            self.close()
        elif self._state is _State.DISCARDING:
            self._discarded += len(data)
            if self._discarded > _DISCARD:
                self.close()
        elif self._state is _State.READING:
            if self.answers and not self._reader.pending:
                # The first byte after a pause: from here on it is a request, with its deadline.
                self._clear_deadline()
            self._reader.feed(data)
            self._advance()

    def _wait_for_bytes(self) -> None:
        if self.peer is not None:
            self.peer.pin()
        self._set_deadline(self._host.limits.read_deadline, unless_set=True)
        self._stream.wait_to_read(self._on_bytes)

    def _on_bytes(self) -> None:
        self._safely(self._read)

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
            self._wait_for_bytes()
            return
        self._state = _State.ANSWERING
        self._clear_deadline()
        self._head_only = http_request.method == "HEAD"
        try:
            answer = self._host.handler(http_request)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is an answer too
            answer = self._render(error, http_request)
        if isinstance(answer, HttpResponse):
            if http_request.body:
                wipe(http_request.body)
            self._send(answer)
            return
        self._stream.pause_reading()
        self.peer.pin()
        self._host.own(answer).add_done_callback(partial(self._answered, http_request))

    def _answered(self, http_request: HttpRequest, answer: asyncio.Future[HttpResponse]) -> None:
        wipe(http_request.body)
        if answer.cancelled():
            response = self._render(
                BrokerError(Kind.TIMED_OUT, "the daemon is stopping"), http_request
            )
        elif (error := answer.exception()) is not None:
            response = self._render(error, http_request)
        else:
            response = answer.result()
        self._safely(partial(self._send, response))

    def _render(self, error: BaseException, http_request: HttpRequest) -> HttpResponse:
        if not isinstance(error, BrokerError):
            _log.error("%s %s failed", http_request.method, http_request.path, exc_info=error)
            error = BrokerError(Kind.INTERNAL, "the daemon failed on this request: see its log")
        return self._host.render_error(error, http_request.headers)

    def _refuse(self, error: BrokerError) -> None:
        """Answer a request that was not even read, and close."""
        self._polite = True
        self._head_only = False
        self._send(self._host.render_error(error, self._reader.headers))

    # --- writing ------------------------------------------------------------------------------

    def _send(self, response: HttpResponse) -> None:
        if self._state is _State.CLOSED:
            if response.wipe:
                wipe(response.body)
            return
        host = self._host
        if response.status < 400:
            self._reader.answered_well()
        wanted = self._reader.keep_alive and host.limits.keep_alive
        self._keep_alive = wanted and not self._polite and not (host.closing or host.crowded)
        try:
            output = bytearray(encode_head(response, keep_alive=self._keep_alive))
        except ValueError:
            _log.exception("an answer could not be written")
            wipe(response.body)
            self.close()
            return
        if not self._head_only:
            output += response.body
        if response.wipe:
            wipe(response.body)
        if self._keep_alive and self.peer is not None:
            # Before the answer leaves: once it has it, the client may go on as another program.
            self.peer.pin()
        self.answers += 1
        self._state = _State.WRITING
        self._output = output
        self._write()

    def _write(self) -> None:
        """Write as much of the answer as the kernel takes."""
        try:
            self._sent += self._stream.send(memoryview(self._output)[self._sent :])
        except OSError:
            self.close()
            return
        if self._sent == len(self._output):
            self._after_answer()
            return
        self._set_deadline(self._host.limits.write_deadline, unless_set=True)
        self._stream.pause_reading()
        self._stream.wait_to_write(self._on_room)

    def _on_room(self) -> None:
        self._safely(self._write)

    def _after_answer(self) -> None:
        """Go on after the kernel took the whole answer."""
        self._wipe_output()
        self._stream.pause_writing()
        self._clear_deadline()
        if self._polite:
            self._linger()
        elif not self._keep_alive:
            self.close()
        else:
            self._state = _State.READING
            if self._reader.pending:
                # Pipelined: one request per turn of the loop, so that others get their turn.
                self._stream.pause_reading()
                self._host.loop.call_soon(self._safely, self._advance)
            else:
                self._set_deadline(self._host.limits.idle_deadline)
                self._wait_for_bytes()

    def _linger(self) -> None:
        # If we close with unread bytes, the kernel resets the connection and the answer is lost.
        if not self._host.may_linger(self):
            self.close()
            return
        self._state = _State.DISCARDING
        self._set_deadline(self._host.limits.linger)
        try:
            self._stream.end_sending()
        except OSError:
            self.close()
        else:
            self._stream.wait_to_read(self._on_bytes)

    def _wipe_output(self) -> None:
        # All of it, sent or not.
        if self._output:
            wipe(self._output)
            self._output, self._sent = bytearray(), 0

    def _expire(self) -> None:
        if self._state is _State.READING and self._reader.pending:
            seconds = self._host.limits.read_deadline
            text = f"request is not complete after {seconds:g} s"
            self._refuse(RefusedRequest(408, text, Kind.TIMED_OUT))
        else:
            self.close()
