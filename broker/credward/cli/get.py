"""`credward get`: print a credential in the requested format."""

from __future__ import annotations

import sys

import click
import msgspec

from credward.cli.handing_out import check_output, hand_out
from credward.cli.names import complete_credentials, complete_formats
from credward.cli.start import reach
from credward.cli.surroundings import folder_body, report
from credward.clock import SystemClock
from credward.errors import BrokerError
from credward.formats.gcp_executable import FAILS_IN_WORDS, failed_executable
from credward.paths import environment
from credward.policy.client_variables import mcp_server
from credward.text.tables import plain
from credward.text.viewer import CHOICE
from credward.tokens import TokenRequest

__all__ = ["ask", "command", "hand_over", "named"]

# No answer is faster (seconds).
_LEAST = 0.3


@click.command(
    "get",
    epilog="Example: credward get gateway --format headers\n\n"
    "Example: credward get bedrock --format aws-process",
)
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_credentials)
@click.option(
    "--format",
    "shape",
    default="token",
    show_default=True,
    shell_complete=complete_formats,
    help="token|json|headers|env, aws-process|aws-export, gcp-executable",
)
@click.option("--min-remaining", type=click.FloatRange(min=0), help="Seconds it must still last.")
@click.option(
    "--cache-ttl",
    type=click.FloatRange(min=0),
    help="Seconds that you will keep it before you ask again.",
)
@click.option("--timeout", type=click.FloatRange(_LEAST, 600), default=10.0, show_default=True)
@click.option("--audience", help="Another audience, if listed in serve.audiences.")
@click.option("--scope", "scopes", multiple=True, help="A scope, if listed in serve.scopes.")
@click.option("--base-url", help="Where you will send it, for credentials bound to a host.")
@click.option("--fresh", is_flag=True, help="Mint a new one first, even if one is held.")
@click.option("--no-start", is_flag=True, help="Do not start the daemon.")
def command(
    names: tuple[str, ...],
    shape: str,
    min_remaining: float | None,
    cache_ttl: float | None,
    timeout: float,
    audience: str | None,
    scopes: tuple[str, ...],
    base_url: str | None,
    fresh: bool,
    no_start: bool,
) -> None:
    """Print the credential NAME (without NAME: the default one).

    Nothing but the credential goes to standard output. With --format headers, several NAMEs fill
    one object.
    """
    token_request = TokenRequest(
        credential=named(names),
        format=shape,
        audience=audience,
        scopes=scopes,
        min_remaining=min_remaining,
        cache_ttl=cache_ttl,
        timeout=timeout,
        client_base_url=base_url,
    )
    told = min_remaining is not None or cache_ttl is not None
    if hand_over(token_request, start=not no_start, fresh=fresh) and told:
        click.echo("credward: note: it lasts less long than you asked for", err=True)


def named(names: tuple[str, ...]) -> str:
    """Return what the command line asks for: its *names*, else the choice of the shell."""
    return ",".join(names) or environment().get(CHOICE) or "-"


def hand_over(token_request: TokenRequest, *, start: bool, fresh: bool = False) -> bool:
    """Ask for this folder and environment, and print the answer; *fresh*: of a new mint.

    Return whether it lasts less long than was asked for. A failure is printed too where those that
    read the format show no other.
    """
    check_output(sys.stdout)
    try:
        return _hand_over(token_request, start=start, fresh=fresh)
    except BrokerError as error:
        if token_request.format != FAILS_IN_WORDS:
            raise
        said = failed_executable(error.kind, f"credward: {plain(error.message)}")
        hand_out(said, _LEAST)
        return False


def _hand_over(token_request: TokenRequest, *, start: bool, fresh: bool) -> bool:
    clock = SystemClock()
    end = clock.elapsed() + token_request.timeout
    body, lasts = ask(token_request, start=start, fresh=fresh)
    hand_out(body, end - clock.elapsed())
    return not lasts


def ask(
    token_request: TokenRequest, *, start: bool = True, fresh: bool = False
) -> tuple[bytes, bool]:
    """Return the answer for this folder and environment, and whether it lasts as long as asked."""
    environ = environment()
    clock = SystemClock()
    end = clock.elapsed() + token_request.timeout
    folder = folder_body(token_request.timeout)
    variables = report(environ, max(_LEAST, end - clock.elapsed()))
    client = reach(start=start, timeout=max(_LEAST, end - clock.elapsed()))
    try:
        if fresh:
            for name in token_request.credential.split(","):
                client.refresh(
                    name,
                    max(_LEAST, end - clock.elapsed()),
                    audience=token_request.audience,
                    scopes=token_request.scopes,
                )
        token_request = msgspec.structs.replace(
            token_request,
            timeout=max(_LEAST, end - clock.elapsed()),
            mcp_server=mcp_server(environ) if token_request.format == "headers" else None,
        )
        body, headers = client.get_token(token_request, folder, variables)
    except BrokerError as error:
        from credward.cli.explaining import explained

        raise explained(client, token_request.credential, error) from error
    return body, "lifetime-short" not in headers
