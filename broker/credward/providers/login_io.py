"""The outside world of a login: what the user sees and types, and where the browser comes back.

Carries words between a provider and the daemon, and refuses what no user should be shown; who comes
to the redirect on loopback is `login_redirect`, how things look on a terminal `cli.login`.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import urlsplit

from credward.errors import BrokerError, Kind
from credward.providers import login_pages
from credward.providers.io import Machine, WorkerIo
from credward.providers.login_redirect import (
    Landed,
    RedirectListener,
    read_redirect,
    state_of,
)
from credward.settings.checks import is_page

__all__ = ["WorkerLoginIo"]

_PASTE = "redirect_url"
# RFC 8628 section 6.1 has codes that a human can type.
_LONGEST_CODE = 64


class Tell(Protocol):
    """Sends one event to all watchers of this login."""

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
        machine: Machine,
        *,
        credential: str,
        tell: Tell,
        hear: Callable[[], tuple[str, str | None]],
        link: int,
    ) -> None:
        super().__init__(machine, credential=credential)
        self._tell = tell
        self._hear = hear
        self._link = link
        self._landed: Landed | None = None

    @contextlib.contextmanager
    def answering(self) -> Iterator[Callable[[str | None], None]]:
        """Answer the browser, if one has come back, when the login has ended.

        Yields what to call with the account (None: unknown) once it has worked.
        """
        page = login_pages.failed(self._credential, "The login ended early: look at your terminal.")

        def worked(account: str | None) -> None:
            nonlocal page
            page = login_pages.done(self._credential, account)

        try:
            yield worked
        except BrokerError as error:
            page = login_pages.failed(self._credential, error.message)
            raise
        finally:
            if self._landed is not None:
                self._landed.answer(page)

    def open_url(self, url: str) -> None:
        """Have the user's browser opened at *url*."""
        self._check_page(url)
        self._tell(event="open_url", url=url)

    def show_code(self, *, user_code: str, url: str, complete_url: str | None) -> None:
        """Show a device code and where to type it."""
        if not (user_code.isprintable() and 0 < len(user_code) <= _LONGEST_CODE):
            raise self._refused("a code that cannot be shown")
        for page in (url, complete_url):
            if page is not None:
                self._check_page(page)
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
        until = self._clock.elapsed() + seconds
        while self._wait_for_link(until):
            # Nobody was asked anything: the daemon gave up, or says that a prompt is closed.
            self._hear()

    def receive_redirect(
        self,
        make_url: Callable[[str], str],
        *,
        path: str = "/callback",
        host: str = "127.0.0.1",
        ports: Sequence[int] = (0,),
    ) -> Mapping[str, str]:
        """Send the browser to `make_url(redirect_uri)`; return the query that comes back.

        Whatever comes back without the `state` of that address is not this login's, and the wait
        for it goes on.
        """
        with self._listen(ports) as listener:
            redirect_uri = f"http://{host}:{listener.getsockname()[1]}{path}"
            url = make_url(redirect_uri)
            state = state_of(url)
            self.open_url(url)
            self._tell(
                event="prompt",
                field=_PASTE,
                label="or paste the address of the last page here, if the browser is elsewhere",
            )
            redirects = RedirectListener(
                listener,
                path=path,
                state=state,
                elapsed=self._clock.elapsed,
                on_stranger=self._tell_of_stranger,
            )
            with contextlib.closing(redirects):
                query = None
                while query is None:
                    if (landed := redirects.wait(self._link)) is not None:
                        # It hears the end of the login, not only of its own part.
                        self._landed, query = landed, landed.query
                    else:
                        query = self._pasted(state)
            self._tell(event="prompt_closed", field=_PASTE)
            return query

    def _tell_of_stranger(self) -> None:
        self._tell(
            event="waiting",
            message="a browser came back from another login (state), still waiting for this one",
        )

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

    def _wait_for_link(self, until: float) -> bool:
        """Return True when the daemon has something to say, False when time is up."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._link, selectors.EVENT_READ)
            timeout = until - self._clock.elapsed()
            return timeout > 0 and bool(selector.select(timeout))

    def _pasted(self, state: str | None) -> Mapping[str, str] | None:
        field, value = self._hear()
        if field != _PASTE or not value:
            return None
        try:
            query = read_redirect(urlsplit(value.strip()).query, state)
        except ValueError:
            query = None
        if query is None:
            self._tell(
                event="prompt",
                field=_PASTE,
                label="that is not the last page of this login: paste its whole address",
            )
        return query

    def _check_page(self, url: str) -> None:
        """Refuse an address that no server should send: a browser also opens files and programs."""
        if not is_page(url):
            raise self._refused("a page address that is not https")

    def _refused(self, what: str) -> BrokerError:
        return BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{self._credential}" was not logged in, the server sent {what}: '
            "check which server answers",
        )
