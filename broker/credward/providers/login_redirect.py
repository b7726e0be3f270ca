"""The loopback address at which a browser ends a login: who comes there, and who is let in.

Takes the one redirect that belongs to this login and nothing else; anybody on the machine, and any
page in its browsers, can knock here. What the redirect means is the provider's business, what a
browser is shown that of `login_pages`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlsplit

import msgspec

from credward.providers import login_pages

__all__ = ["Landed", "RedirectListener", "read_redirect", "state_of"]

# A browser opens connections that it never uses; none of them holds up the others (seconds).
_PATIENCE = 5.0
_MOST_OPEN = 16
# The URL with the code, and the headers of a browser (bytes).
_LONGEST_HEAD = 32 * 1024
# Another name for this machine is somebody's doing (DNS rebinding).
_NAMES = {"127.0.0.1", "localhost", "::1"}


def state_of(url: str) -> str | None:
    """Return the `state` that a login's address carries (RFC 6749 section 4.1.1), None if none."""
    return dict(parse_qsl(urlsplit(url).query)).get("state")


def read_redirect(query: str, state: str | None) -> Mapping[str, str] | None:
    """Return the parameters of a redirect, None if they do not belong to the login with *state*.

    RFC 6749 sections 3.1 (no parameter twice), 4.1.2 and 10.12: `state` also comes with an error.
    """
    pairs = parse_qsl(query, keep_blank_values=True)
    found = dict(pairs)
    if len(found) != len(pairs) or not ("code" in found or "error" in found):
        return None
    return None if state is not None and found.get("state") != state else found


class _Visitor(msgspec.Struct):
    until: float
    head: bytearray = msgspec.field(default_factory=bytearray)

    def __repr__(self) -> str:
        return f"_Visitor({self.until})"


class Landed(msgspec.Struct, frozen=True):
    """The browser of this login, which waits on its *connection* to hear what became of it."""

    query: Mapping[str, str]
    connection: socket.socket

    def answer(self, page: bytes) -> None:
        """Send it *page*, and let it go."""
        with contextlib.suppress(OSError), self.connection:
            # A new connection's buffer takes a page of this size at once.
            self.connection.send(page)
            self.connection.shutdown(socket.SHUT_WR)


class RedirectListener:
    """Listens with *listener* for the redirect to *path* that carries *state*.

    *elapsed* is a clock that only goes forward, in seconds; *on_stranger* is called once, when a
    redirect comes that is another login's.
    """

    def __init__(
        self,
        listener: socket.socket,
        *,
        path: str,
        state: str | None,
        elapsed: Callable[[], float],
        on_stranger: Callable[[], None],
    ) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._path = path
        self._state = state
        self._elapsed = elapsed
        self._on_stranger: Callable[[], None] | None = on_stranger
        self._visitors: dict[socket.socket, _Visitor] = {}

    def wait(self, link: int) -> Landed | None:
        """Return the redirect, or None as soon as *link* is readable; somebody must answer it."""
        with selectors.DefaultSelector() as selector:
            selector.register(link, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            for each in self._visitors:
                selector.register(each, selectors.EVENT_READ)
            while True:
                ends = [each.until for each in self._visitors.values()]
                ready = selector.select(max(min(ends) - self._elapsed(), 0.0) if ends else None)
                for key, _ in ready:
                    if key.fileobj == link:
                        return None
                    if key.fileobj is self._listener:
                        self._accept(selector)
                    elif isinstance(key.fileobj, socket.socket):
                        landed = self._read(key.fileobj, selector)
                        if landed is not None:
                            return landed
                for each, visitor in list(self._visitors.items()):
                    if visitor.until <= self._elapsed():
                        self._drop(each, selector)

    def close(self) -> None:
        """Stop listening, and answer all that wait."""
        for each in self._visitors:
            each.close()
        self._visitors.clear()
        self._listener.close()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            connection, _ = self._listener.accept()
        except OSError:
            return
        if len(self._visitors) >= _MOST_OPEN:
            self._drop(next(iter(self._visitors)), selector)
        connection.setblocking(False)
        self._visitors[connection] = _Visitor(until=self._elapsed() + _PATIENCE)
        selector.register(connection, selectors.EVENT_READ)

    def _drop(self, connection: socket.socket, selector: selectors.BaseSelector) -> None:
        if self._let_go(connection, selector):
            connection.close()

    def _let_go(self, connection: socket.socket, selector: selectors.BaseSelector) -> bool:
        """Look no more at a connection; False if it has gone in the same round."""
        if self._visitors.pop(connection, None) is None:
            return False
        selector.unregister(connection)
        return True

    def _read(self, connection: socket.socket, selector: selectors.BaseSelector) -> Landed | None:
        """Take what has come; once the head is whole, return the redirect or answer."""
        if (visitor := self._visitors.get(connection)) is None:
            return None
        try:
            part = connection.recv(_LONGEST_HEAD)
        except BlockingIOError:
            return None
        except OSError:
            part = b""
        visitor.head += part
        whole = b"\r\n\r\n" in visitor.head
        if part and not whole and len(visitor.head) < _LONGEST_HEAD:
            return None
        if not whole:
            self._drop(connection, selector)
            return None
        self._let_go(connection, selector)
        found = self._understand(bytes(visitor.head))
        landed = Landed(found if isinstance(found, Mapping) else {}, connection)
        if isinstance(found, Mapping):
            return landed
        landed.answer(found)
        return None

    def _understand(self, head: bytes) -> Mapping[str, str] | bytes:
        """Return the redirect, or the page for a visitor that brings none."""
        lines = head.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        method, _, rest = lines[0].partition(" ")
        target = rest.partition(" ")[0]
        hosts = [line[5:].strip() for line in lines[1:] if line[:5].lower() == "host:"]
        if method != "GET" or len(hosts) != 1 or not _is_here(hosts[0]):
            return login_pages.not_here("400 Bad Request")
        path, _, query = target.partition("?")
        if path != self._path or ("code=" not in query and "error=" not in query):
            return login_pages.not_here("404 Not Found")
        found = read_redirect(query.partition("#")[0], self._state)
        if found is None:
            self._tell_of_stranger()
            return login_pages.stranger()
        return found

    def _tell_of_stranger(self) -> None:
        # Once: repeated connections must not fill the terminal, or the daemon's memory.
        tell, self._on_stranger = self._on_stranger, None
        if tell is not None:
            tell()


def _is_here(host: str) -> bool:
    try:
        return (urlsplit(f"//{host}").hostname or "") in _NAMES
    except ValueError:
        return False
