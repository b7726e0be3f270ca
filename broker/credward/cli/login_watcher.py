"""Shows one login on a terminal: addresses, codes and prompts, until it ends.

`login` starts, joins and cancels logins.
"""

from __future__ import annotations

import base64
import contextlib
import math
import queue
import re
import sys
import threading
from collections.abc import Iterator

import click

from credward import wire
from credward.cli.hidden_prompt import hidden_prompt
from credward.cli.output import plain
from credward.client import Client
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.paths import environment

__all__ = ["Watcher", "taken_over"]

# How often to check for typed input, besides events (seconds).
_STEP = 0.5
# `--wait 0` takes at most this long to learn what to do: a worker must start (seconds).
_TO_BEGIN = 30.0
# Nobody looks at an empty terminal for longer without a doubt (seconds).
_SILENCE = 1.5
# A browser that still runs after this time stays in the foreground, and is open (seconds).
_BROWSER_STARTS = 1.0
# Copies to the clipboard of the user's terminal, also over ssh (OSC 52 of xterm).
_COPY = "\033]52;c;{}\a"
# Characters that could do harm if the user pastes a server's code into a shell.
_CODE = re.compile(r"[A-Za-z0-9-]{1,32}")

# If none of these is set there are no windows.
_WINDOWS = {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}


def taken_over(given: wire.GrantGiven) -> str:
    """Return the line about a grant that was handed over, and whether it has worked."""
    names = ", ".join(given.credentials)
    if given.works:
        text = f"taken over, and it works: {names}"
    else:
        text = (
            f"kept for {names}, it has not worked yet: {plain(given.message)}; "
            "an earlier login stays until then"
        )
    if given.turned_away:
        text += f", {_callers(given.turned_away)} refused meanwhile"
    return text + _unless_durable(given.durable)


def _begun(started: wire.LoginStarted) -> str:
    account = started.account
    before = "" if account is None else f", so far logged in as {plain(account)}"
    return f'login for "{started.credential}"{before}'


def _logged_in(done: wire.LoginEvent) -> str:
    who = f" as {plain(done.account)}" if done.account else ""
    text = f"logged in{who}: {', '.join(done.credentials)}"
    if done.turned_away:
        text += f", {_callers(done.turned_away)} refused meanwhile"
    return text + _unless_durable(done.durable)


def _callers(count: int) -> str:
    return "1 caller was" if count == 1 else f"{count} callers were"


def _unless_durable(durable: bool) -> str:
    return "" if durable else " (but the store cannot be written yet: run credward status)"


class Watcher:
    """Follows one login to its end, and answers its prompts."""

    def __init__(self, client: Client, started: wire.LoginStarted, *, browser: bool) -> None:
        """*browser*: open one, if there is one with a window."""
        self._client = client
        self._started = started
        self._browser = browser
        self._seen = 0
        self._typed: queue.Queue[str] = queue.Queue()
        self._reading = False
        # Whether a page was shown, which is left behind.
        self._page = False
        self._prompt: wire.LoginEvent | None = None

    def run(self, wait: float | None) -> None:
        """Show events until the login ends; raise its failure."""
        click.echo(_begun(self._started), err=True)
        for event in self._events(wait, silence=_SILENCE):
            match event.event:
                case "open_url":
                    self._open(event.url or "")
                case "user_code":
                    self._show_code(event)
                case "prompt" if wait != 0:
                    self._ask(event)
                case "prompt_closed":
                    self._prompt = None
                case "waiting":
                    click.echo(plain(event.message or "waiting"), err=True)
                case "done":
                    if self._page:
                        click.echo("you can close the browser window", err=True)
                    click.echo(_logged_in(event))
                case "error":
                    raise BrokerError(
                        Kind.from_slug(event.kind or ""), event.message or "", hint=event.hint
                    )

    def print_lines(self, wait: float | None) -> None:
        """Write each event as one JSON line; raise the failure at the end."""
        for event in self._events(wait):
            click.echo(wire.encode(event).decode())
            if event.event == "error":
                raise BrokerError(Kind.from_slug(event.kind or ""), event.message or "")

    def _events(
        self, wait: float | None, *, silence: float = math.inf
    ) -> Iterator[wire.LoginEvent]:
        """Yield events until the last; raise `login-required` after *wait* seconds.

        After *silence* seconds without any, yield one that says what it waits for.
        """
        clock = SystemClock()
        # Without *wait* the daemon says when it ends.
        limit = math.inf if wait is None else wait or _TO_BEGIN
        begun_at = clock.elapsed()
        deadline = begun_at + limit
        shown = False
        while True:
            step = min(_STEP, max(deadline - clock.elapsed(), 0.0))
            for event in self._client.login_events(self._started.login_id, self._seen, step):
                self._seen += 1
                yield event
                if event.event in {"done", "error"}:
                    return
                shown = shown or event.event in {"open_url", "user_code", "prompt"}
            self._send_typed()
            if not self._seen and clock.elapsed() - begun_at >= silence:
                silence = math.inf
                yield wire.LoginEvent(
                    event="waiting",
                    message="its server has not answered yet, still waiting (Ctrl-C cancels)",
                )
            if (shown and wait == 0) or clock.elapsed() >= deadline:
                name = self._started.credential
                raise BrokerError(
                    Kind.LOGIN_REQUIRED,
                    f'the login of "{name}" is still running: run credward login {name} to join it',
                )

    def _open(self, url: str) -> None:
        self._page = True
        opened = self._browser and _open_browser(url)
        what = "your browser was opened at" if opened else "open this address in a browser"
        click.echo(f"{what}:\n\n  {plain(url)}\n", err=True)

    def _show_code(self, event: wire.LoginEvent) -> None:
        self._page = True
        where = event.complete_url or event.url or ""
        code = plain(event.user_code or "")
        if sys.stderr.isatty():
            import segno

            segno.make(where, micro=False).terminal(out=sys.stderr, compact=True)
            if _CODE.fullmatch(code):
                sys.stderr.write(_COPY.format(base64.b64encode(code.encode()).decode()))
        click.echo(
            f"open {plain(event.url or '')} and type the code {click.style(code, bold=True)}",
            err=True,
        )
        if self._browser and event.complete_url is not None:
            _open_browser(event.complete_url)

    def _ask(self, event: wire.LoginEvent) -> None:
        self._prompt = event
        if event.secret:
            value = hidden_prompt(plain(event.label or "value"))
            self._client.login_answer(self._started.login_id, event.field or "", value)
            return
        click.echo(f"{plain(event.label or 'value')}:", err=True)
        if not self._reading and sys.stdin is not None:
            # In parallel to the login, which may end by itself: usually the browser answers first.
            self._reading = True
            threading.Thread(target=self._read_lines, daemon=True).start()

    def _read_lines(self) -> None:
        for line in sys.stdin:
            if text := line.strip():
                self._typed.put(text)

    def _send_typed(self) -> None:
        while self._prompt is not None and not self._typed.empty():
            self._client.login_answer(
                self._started.login_id, self._prompt.field or "", self._typed.get()
            )


def _open_browser(url: str) -> bool:
    """Open *url* if there is a browser with a window; return whether it was opened."""
    if sys.platform == "linux" and not _WINDOWS & environment().keys():
        # A browser in this terminal would take the terminal from us.
        return False
    if not url.startswith(("https://", "http://")):
        # A program that opens addresses can also start programs.
        return False
    # Slow to load: it has a client for HTTP.
    import webbrowser

    opened: list[bool] = []

    def run() -> None:
        with contextlib.suppress(webbrowser.Error):
            opened.append(webbrowser.open(url))

    # In the background: some return only when they are closed.
    opening = threading.Thread(target=run, daemon=True)
    opening.start()
    opening.join(_BROWSER_STARTS)
    return opening.is_alive() or opened == [True]
