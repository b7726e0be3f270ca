"""`credward login`: run or join one login of the user, or cancel it.

`login_watcher` shows it; the provider runs the flow, and the grant never comes here.
"""

from __future__ import annotations

import base64
import contextlib
import signal
import sys
from types import FrameType

import click

from credward.cli.hidden_prompt import hidden_prompt
from credward.cli.login_watcher import Watcher, taken_over
from credward.cli.names import complete_grants
from credward.cli.output import print_json
from credward.cli.standard_input import read_text
from credward.cli.start import reach
from credward.client import Client
from credward.errors import BrokerError, Kind

__all__ = ["command"]

_LONGEST = 900.0
# More than the daemon accepts, so that it reports the error (bytes).
_LONGEST_GRANT = 48 * 1024


@click.command(
    "login",
    short_help="Log in once for every credential on that grant.",
    epilog="Example: credward login gateway --no-browser\n\n"
    "Example: credward login gateway --cancel",
)
@click.argument("name", default="-", envvar="CREDWARD_CREDENTIAL", shell_complete=complete_grants)
@click.option(
    "--method",
    type=click.Choice(["browser", "device"]),
    help="How to log in, if the provider supports both ways.",
)
@click.option("--device", "method", flag_value="device", help="The same as --method device.")
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening it.")
@click.option(
    "--wait",
    type=click.FloatRange(0, _LONGEST),
    help="Watch for at most so many seconds; 0: only print what to do.",
)
@click.option("--cancel", is_flag=True, help="Cancel the current login, wherever it was started.")
@click.option(
    "--grant-stdin",
    is_flag=True,
    help="Hand over an existing refresh token for good, read from standard input.",
)
@click.option(
    "--claims",
    metavar="CHALLENGE",
    help="The claims challenge to answer, as an API sent it: JSON, or its base64.",
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

    If a login is already running, it is joined, so that no second page opens.
    """
    if cancel and (method or no_browser or wait is not None or grant_stdin or claims is not None):
        raise click.UsageError("--cancel starts no login: use it alone or with --json")
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
            as_begun = f" as it was started, not by {method}" if method else ""
            click.echo(
                f'a login for "{started.credential}" is already running, joining it{as_begun} '
                f"(credward login {name} --cancel cancels it)",
                err=True,
            )
        browser = not (no_browser or started.attached or wait == 0)
        watcher = Watcher(client, started, browser=browser)
        if as_json:
            watcher.print_lines(wait)
        else:
            watcher.run(wait)
            _tell_next(started.credential)
    except BrokerError as error:
        from credward.cli.explaining import with_newer_file

        raise with_newer_file(client, error) from error
    # In a prompt, click turns Ctrl-C into Abort.
    except (KeyboardInterrupt, click.Abort):
        if started is not None and not started.attached:
            with contextlib.suppress(BrokerError):
                client.login_cancel(started.login_id)
        for number in received:
            # The sender should see that it was handled.
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        raise click.Abort from None


def _tell_next(name: str) -> None:
    """Name the set-up that comes next, if none asks for *name* yet."""
    from credward.cli.setup.claude_code import by_helper
    from credward.cli.setup.undo import set_ups_of
    from credward.cli.start import paths
    from credward.config import load_config

    # `add` calls this without a parent, and says itself what comes next.
    if click.get_current_context().parent is None:
        return
    # The login worked, whatever is wrong with files here.
    with contextlib.suppress(BrokerError):
        credential = load_config(paths()).credentials.get(name)
        if credential is None or not by_helper(credential):
            return
        if not set_ups_of(name):
            click.echo(f"next: credward setup claude-code {name}")


def _take_signals_for_ctrl_c() -> list[int]:
    """Make signals that end this program cancel its login; return the signals that came.

    A login that nobody watches would block the next one for minutes.
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
        click.echo(f"cancelled the login: {result.credential}")
    else:
        click.echo(f"no login is running: {result.credential}")


def _read_claims(text: str) -> str:
    """Return a challenge as JSON; `WWW-Authenticate` holds the JSON or its base64."""
    if not text.lstrip().startswith("{"):
        text = text.rstrip("=").replace("+", "-").replace("/", "_")
        text += "=" * (-len(text) % 4)
        with contextlib.suppress(ValueError):
            text = base64.b64decode(text, altchars=b"-_", validate=True).decode()
    if not text.lstrip().startswith("{"):
        raise BrokerError(Kind.BAD_REQUEST, "--claims must be a JSON object, or the base64 of one")
    return text


def _default_name(client: Client) -> str:
    listed = client.statuses()
    if listed.active is not None:
        return listed.active
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
    text = hidden_prompt("refresh token") if sys.stdin.isatty() else read_text(_LONGEST_GRANT)
    given = client.import_grant(name, text)
    if as_json:
        print_json(given)
    else:
        click.echo(taken_over(given))
        if not given.works:
            click.echo(f"next: credward get --fresh {given.credentials[0]} (tries it again)")
