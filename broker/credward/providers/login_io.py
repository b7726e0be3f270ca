"""The outside world of a login: what the user sees and types, and the redirect on loopback.

Carries words between a provider and the daemon; how they look on a terminal is `cli.login`.
"""

from __future__ import annotations

import html
import selectors
import socket
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from credward.clock import Clock
from credward.errors import BrokerError, Kind
from credward.providers.io import Sender, WorkerIo

__all__ = ["WorkerLoginIo"]

_PASTE = "redirect_url"
# A browser opens connections that it never uses; one of them must not hold up the others (seconds).
_PATIENCE = 5.0

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>credward</title>
<style>body{{font:17px/1.5 system-ui,sans-serif;max-width:34em;margin:16vh auto;padding:0 1em}}
h1{{font-size:1.4em}}@media(prefers-color-scheme:dark){{body{{background:#111;color:#eee}}}}</style>
</head><body><h1>{title}</h1><p>{text}</p></body></html>
"""


class Tell(Protocol):
    """Sends one event to whoever watches this login."""

    def __call__(self, *, event: Any, **fields: Any) -> None:
        """Send it."""
        ...


class WorkerLoginIo(WorkerIo):
    """One login's view of the world, fulfilling `LoginIo`.

    *tell* sends an event to the user; *hear* blocks for the next answer and returns field and
    value (None: the prompt was closed); *link* is readable when an answer has come.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        now: float,
        credential: str,
        environ: Mapping[str, str],
        transport: Callable[[], Sender] | None,
        tell: Tell,
        hear: Callable[[], tuple[str, str | None]],
        link: int,
    ) -> None:
        super().__init__(
            clock=clock, now=now, credential=credential, environ=environ, transport=transport
        )
        self._tell = tell
        self._hear = hear
        self._link = link

    def open_url(self, url: str) -> None:
        """Have the user's browser opened at *url*."""
        self._tell(event="open_url", url=url)

    def show_code(self, *, user_code: str, url: str, complete_url: str | None) -> None:
        """Show a device code and where to type it."""
        self._tell(event="user_code", user_code=user_code, url=url, complete_url=complete_url)

    def prompt(self, field: str, label: str, *, secret: bool = False) -> str:
        """Ask the user for a value and return it."""
        self._tell(event="prompt", field=field, label=label, secret=secret)
        while True:
            answered, value = self._hear()
            if answered == field and value:
                self._tell(event="prompt_closed", field=field)
                return value

    def wait(self, seconds: float) -> None:
        """Wait between two polls."""
        self._wait_readable(None, self._clock.elapsed() + seconds)

    def receive_redirect(
        self,
        make_url: Callable[[str], str],
        *,
        path: str = "/callback",
        host: str = "127.0.0.1",
        ports: Sequence[int] = (0,),
    ) -> Mapping[str, str]:
        """Send the browser to `make_url(redirect_uri)`; return the query that comes back."""
        with self._listen(ports) as listener:
            listener.settimeout(_PATIENCE)
            redirect_uri = f"http://{host}:{listener.getsockname()[1]}{path}"
            self.open_url(make_url(redirect_uri))
            self._tell(
                event="prompt",
                field=_PASTE,
                label="or paste the address of the last page here, if the browser is elsewhere",
            )
            while True:
                if self._wait_readable(listener, None):
                    query = self._accept(listener, path)
                else:
                    query = self._pasted()
                if query is not None:
                    self._tell(event="prompt_closed", field=_PASTE)
                    return query

    def _listen(self, ports: Sequence[int]) -> socket.socket:
        for port in ports:
            listener = socket.socket()
            try:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(("127.0.0.1", port))
                listener.listen(16)
            except OSError:
                listener.close()
            else:
                return listener
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{self._credential}" cannot be logged in, its redirect ports '
            f"{', '.join(map(str, ports))} are taken: free one, or use credward login --device",
        )

    def _wait_readable(self, listener: socket.socket | None, until: float | None) -> bool:
        """Return True when the listener is readable, False for the link or when time is up."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._link, selectors.EVENT_READ)
            if listener is not None:
                selector.register(listener, selectors.EVENT_READ)
            while True:
                timeout = None if until is None else until - self._clock.elapsed()
                if timeout is not None and timeout <= 0:
                    return False
                ready = [key.fileobj for key, _ in selector.select(timeout)]
                if self._link in ready and listener is None:
                    # Nobody was asked anything: the daemon gave up, or says a prompt is closed.
                    self._hear()
                elif ready:
                    return listener in ready

    def _accept(self, listener: socket.socket, path: str) -> Mapping[str, str] | None:
        """Answer one request of the browser; return its query if it is the redirect."""
        try:
            connection, address = listener.accept()
        except OSError:
            return None
        found: list[Mapping[str, str]] = []

        class Handler(BaseHTTPRequestHandler):
            timeout = _PATIENCE

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = dict(parse_qsl(parts.query, keep_blank_values=True))
                if parts.path == path and ("code" in query or "error" in query):
                    found.append(query)
                    self.page(200, *_outcome(query))
                else:
                    self.page(404, "Nothing here", "This address is only for the login.")

            def page(self, status: int, title: str, text: str) -> None:
                body = _PAGE.format(title=html.escape(title), text=html.escape(text)).encode()
                self.send_response(status)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing: the path holds the code."""

        with connection:
            try:
                Handler(connection, address, None)  # type: ignore[arg-type] # no server behind it
            except OSError:
                return None
        return found[0] if found else None

    def _pasted(self) -> Mapping[str, str] | None:
        field, value = self._hear()
        if field != _PASTE or not value:
            return None
        query = dict(parse_qsl(urlsplit(value.strip()).query, keep_blank_values=True))
        if "code" in query or "error" in query:
            return query
        self._tell(
            event="prompt",
            field=_PASTE,
            label="that address holds no code: paste the whole address of the last page",
        )
        return None


def _outcome(query: Mapping[str, str]) -> tuple[str, str]:
    if "error" in query:
        return "The login was not completed", "Go back to your terminal, it says why."
    return "That is all here", "Close this page and go back to your terminal, it goes on there."
