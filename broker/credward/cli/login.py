"""`credward login`: bring the user through one login, begun here or elsewhere, or give it up.

How a login looks is `login_watcher`; the flow itself is a provider's, the grant never comes here.
"""

from __future__ import annotations

import base64
import contextlib
import signal
import sys
from types import FrameType

import click

from credward.cli.login_watcher import Watcher, taken_over
from credward.cli.names import complete_grants
from credward.cli.output import print_json
from credward.cli.standard_input import read_text
from credward.cli.start import reach
from credward.client import Client
from credward.errors import BrokerError, Kind

__all__ = ["command"]

_LONGEST = 900.0
# More than the daemon takes, so that it says so (bytes).
_LONGEST_GRANT = 48 * 1024


@click.command(
    "login",
    short_help="Log in once for every credential on that grant.",
    epilog="Example: credward login gateway --no-browser\n\n"
    "Example: credward login gateway --cancel",
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
    help="Watch for so many seconds at most; 0: only say what there is to do.",
)
@click.option("--cancel", is_flag=True, help="Give the login under way up, wherever it was begun.")
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
    cancel: bool,
    grant_stdin: bool,
    claims: str | None,
    as_json: bool,
) -> None:
    """Log in once for every credential that shares the grant of NAME.

    A login that is under way already is joined, so that no second page opens.
    """
    if cancel and (method or no_browser or wait is not None or grant_stdin or claims is not None):
        raise click.UsageError("--cancel begins no login, so it takes no option but --json")
    client = reach(start=not cancel, timeout=10.0)
    if name == "-":
        name = _default_name(client)
    if cancel:
        _give_up(client, name, as_json=as_json)
        return
    if grant_stdin:
        _import_grant(client, name, as_json=as_json)
        return
    received = _take_signals_for_ctrl_c()
    started = None
    try:
        started = client.login(name, method, None if claims is None else _read_claims(claims))
        if started.attached and not as_json:
            as_begun = f" as it was begun, not by {method}" if method else ""
            click.echo(
                f'a login for "{started.credential}" is under way, joining it{as_begun} '
                f"(credward login {name} --cancel gives it up)",
                err=True,
            )
        browser = not (no_browser or started.attached or wait == 0)
        watcher = Watcher(client, started, browser=browser)
        if as_json:
            watcher.print_lines(wait)
        else:
            watcher.run(wait)
    # click makes an Abort of Ctrl-C where it asks for something.
    except (KeyboardInterrupt, click.Abort):
        if started is not None and not started.attached:
            with contextlib.suppress(BrokerError):
                client.login_cancel(started.login_id)
        for number in received:
            # Whoever sent it is to see that it was heeded.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        raise click.Abort from None


def _take_signals_for_ctrl_c() -> list[int]:
    """Have whatever ends this program give its login up; return the signals that came.

    A login that nobody watches would be in the way of the next one for minutes.
    """
    received: list[int] = []

    def stop(number: int, _: FrameType | None) -> None:
        received.append(number)
        raise KeyboardInterrupt

    for each in (signal.SIGHUP, signal.SIGTERM):
        # Under nohup it is ignored, and stays so.
        if signal.getsignal(each) is signal.SIG_DFL:
            signal.signal(each, stop)
    return received


def _give_up(client: Client, name: str, *, as_json: bool) -> None:
    result = client.login_cancel_of(name)
    if as_json:
        print_json(result)
    elif result.given_up:
        click.echo(f"gave up the login: {result.credential}")
    else:
        click.echo(f"there was no login under way: {result.credential}")


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


def _import_grant(client: Client, name: str, *, as_json: bool) -> None:
    if sys.stdin.isatty():
        text = click.prompt("refresh token", hide_input=True, err=True)
    else:
        text = read_text(_LONGEST_GRANT)
    given = client.import_grant(name, text)
    if as_json:
        print_json(given)
    else:
        click.echo(taken_over(given))
        if not given.works:
            click.echo(f"next: credward refresh {given.credentials[0]} (tries it again)")
