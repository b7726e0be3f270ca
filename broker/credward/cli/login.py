"""`credward login`: bring the user through one login, here or joined from elsewhere.

Shows what the daemon's login worker wants shown and hands on what the user types; the flow itself
is a provider's, the grant never comes here.
"""

from __future__ import annotations

import base64
import contextlib
import math
import queue
import re
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator

import click
import segno

from credward import wire
from credward.cli.names import complete_grants
from credward.cli.output import plain, print_json
from credward.cli.standard_input import read_text
from credward.cli.start import reach
from credward.client import Client
from credward.clock import SystemClock
from credward.config import environment
from credward.errors import BrokerError, Kind

__all__ = ["command"]

_LONGEST = 900.0
# More than the daemon takes, so that it says so (bytes).
_LONGEST_GRANT = 48 * 1024
# How often what was typed is looked for, beside the events (seconds).
_STEP = 0.5
# `--wait 0` takes this long at most to learn what there is to do: a worker has to start (seconds).
_TO_BEGIN = 30.0
# A browser that has not ended by then stays in the foreground, and is open (seconds).
_BROWSER_STARTS = 1.0
# Copies to the clipboard of the terminal that the user sits at, over ssh too (OSC 52 of xterm).
_COPY = "\033]52;c;{}\a"
# What a user may paste into a shell by mistake, if a server calls it a code.
_CODE = re.compile(r"[A-Za-z0-9-]{1,32}")

# Where none of these is set there are no windows.
_WINDOWS = {"DISPLAY", "WAYLAND_DISPLAY", "BROWSER"}


@click.command(
    "login",
    short_help="Log in once for every credential on that grant.",
    epilog="Example: credward login gateway --no-browser",
)
@click.argument("name", default="-", shell_complete=complete_grants)
@click.option(
    "--method",
    type=click.Choice(["browser", "device"]),
    help="How to log in, where the provider has both ways.",
)
@click.option("--device", "method", flag_value="device", help="The same as --method device.")
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening it.")
@click.option(
    "--wait",
    type=click.FloatRange(0, _LONGEST),
    help="Give up after so many seconds; 0: only say what there is to do.",
)
@click.option(
    "--grant-stdin",
    is_flag=True,
    help="Give an existing refresh token, read from standard input, into sole ownership.",
)
@click.option(
    "--claims",
    metavar="CHALLENGE",
    help="The claims challenge to meet, as an API answered it: JSON, or its base64.",
)
@click.option("--json", "as_json", is_flag=True, help="Each event as one line for programs.")
def command(
    name: str,
    method: str | None,
    no_browser: bool,
    wait: float | None,
    grant_stdin: bool,
    claims: str | None,
    as_json: bool,
) -> None:
    """Log in once for every credential that shares the grant of NAME.

    A login that is under way already is joined, so that no second page opens.
    """
    client = reach(start=True, timeout=10.0)
    if name == "-":
        name = _default_name(client)
    if grant_stdin:
        _hand_over(client, name, as_json=as_json)
        return
    started = client.login(name, method, None if claims is None else _read_claims(claims))
    if started.attached and not as_json:
        as_begun = f" as it was begun, not by {method}" if method else ""
        click.echo(
            f'a login for "{started.credential}" is under way, joining it{as_begun}', err=True
        )
    browser = not (no_browser or started.attached or wait == 0)
    _closing_the_terminal_is_ctrl_c()
    watcher = _Watcher(client, started, browser=browser)
    try:
        if as_json:
            watcher.print_lines(wait)
        else:
            watcher.run(wait)
    except KeyboardInterrupt:
        if not started.attached:
            with contextlib.suppress(BrokerError):
                client.login_cancel(started.login_id)
        raise click.Abort from None


def _closing_the_terminal_is_ctrl_c() -> None:
    """A login whose terminal is gone would be in the way of the next one for minutes."""
    # Under nohup it is ignored, and stays so.
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)


def _read_claims(text: str) -> str:
    """Return a challenge as JSON, as which or as whose base64 `WWW-Authenticate` brings it."""
    if not text.lstrip().startswith("{"):
        text = text.rstrip("=").replace("+", "-").replace("/", "_")
        text += "=" * (-len(text) % 4)
        with contextlib.suppress(ValueError):
            text = base64.b64decode(text, altchars=b"-_", validate=True).decode()
    if not text.lstrip().startswith("{"):
        raise BrokerError(
            Kind.BAD_REQUEST, "--claims is neither a JSON object nor the base64 of one"
        )
    return text


def _default_name(client: Client) -> str:
    listed = client.statuses()
    if listed.default is not None:
        return listed.default
    waiting = [each.name for each in listed.credentials if each.state == "parked"]
    names = waiting or [each.name for each in listed.credentials]
    if len(names) == 1:
        return names[0]
    raise BrokerError(
        Kind.BAD_REQUEST,
        f"name one of {', '.join(names)}: run credward login NAME"
        if names
        else "no credential is configured: run credward add NAME --provider oauth",
    )


def _hand_over(client: Client, name: str, *, as_json: bool) -> None:
    if sys.stdin.isatty():
        text = click.prompt("refresh token", hide_input=True, err=True)
    else:
        text = read_text(_LONGEST_GRANT)
    given = client.hand_over(name, text)
    if as_json:
        print_json(given)
    else:
        click.echo(_success(None, given.credentials, given.served, durable=given.durable))


def _success(account: str | None, credentials: list[str], served: int, *, durable: bool) -> str:
    who = f" as {plain(account)}" if account else ""
    agents = "" if not served else f", {served} {'agent is' if served == 1 else 'agents are'}"
    again = f"{agents} served again" if served else ""
    text = f"logged in{who}: {', '.join(credentials)}{again}"
    if not durable:
        text += " (but the store cannot be written yet: run credward status)"
    return text


class _Watcher:
    """Follows one login to its end, with prompts answered beside it."""

    def __init__(self, client: Client, started: wire.LoginStarted, *, browser: bool) -> None:
        self._client = client
        self._started = started
        self._browser = browser
        self._seen = 0
        self._typed: queue.Queue[str] = queue.Queue()
        self._reading = False
        self._prompt: wire.LoginEvent | None = None

    def run(self, wait: float | None) -> None:
        """Show events until the login ends; raise its failure."""
        for event in self._events(wait):
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
                    click.echo(
                        _success(
                            event.account,
                            event.credentials,
                            event.served,
                            durable=event.durable,
                        )
                    )
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

    def _events(self, wait: float | None) -> Iterator[wire.LoginEvent]:
        """Yield events until the last; raise `login-required` when *wait* seconds are over."""
        clock = SystemClock()
        # Without a word the daemon says when it is over.
        limit = math.inf if wait is None else wait or _TO_BEGIN
        deadline = clock.elapsed() + limit
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
            if (shown and wait == 0) or clock.elapsed() >= deadline:
                name = self._started.credential
                raise BrokerError(
                    Kind.LOGIN_REQUIRED,
                    f'the login of "{name}" goes on: run credward login {name} to join it',
                )

    def _open(self, url: str) -> None:
        opened = self._browser and _open_browser(url)
        what = "your browser was opened at" if opened else "open this address in a browser"
        click.echo(f"{what}:\n\n  {plain(url)}\n", err=True)

    def _show_code(self, event: wire.LoginEvent) -> None:
        where = event.complete_url or event.url or ""
        code = plain(event.user_code or "")
        if sys.stderr.isatty():
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
            value = click.prompt(plain(event.label or "value"), hide_input=True, err=True)
            self._client.login_answer(self._started.login_id, event.field or "", value)
            return
        click.echo(f"{plain(event.label or 'value')}:", err=True)
        if not self._reading and sys.stdin is not None:
            # Beside the login, which may end by itself: the browser answers first, mostly.
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
    """Open *url* where there is a browser with a window; return whether it was."""
    if sys.platform == "linux" and not _WINDOWS & environment().keys():
        # A browser in this terminal would take it away from us.
        return False
    if not url.startswith(("https://", "http://")):
        # What opens addresses also starts programs.
        return False
    opened: list[bool] = []

    def run() -> None:
        with contextlib.suppress(webbrowser.Error):
            opened.append(webbrowser.open(url))

    # Beside us: some return only when they are closed.
    opening = threading.Thread(target=run, daemon=True)
    opening.start()
    opening.join(_BROWSER_STARTS)
    return opening.is_alive() or opened == [True]
