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
from credward.paths import environment
from credward.policy.client_variables import mcp_server
from credward.tokens import TokenRequest

__all__ = ["command", "hand_over"]

# No answer is faster (seconds).
_LEAST = 0.3


@click.command("get", epilog="Example: credward get gateway --format headers")
@click.argument(
    "name", default="-", envvar="CREDWARD_CREDENTIAL", shell_complete=complete_credentials
)
@click.option(
    "--format",
    "shape",
    default="token",
    show_default=True,
    shell_complete=complete_formats,
    help="token|json|headers|env",
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
    name: str,
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

    Nothing but the credential goes to standard output.
    """
    token_request = TokenRequest(
        credential=name,
        format=shape,
        audience=audience,
        scopes=scopes,
        min_remaining=min_remaining,
        cache_ttl=cache_ttl,
        timeout=timeout,
        client_base_url=base_url,
    )
    if hand_over(token_request, start=not no_start, fresh=fresh):
        click.echo("credward: note: it lasts less long than you asked for", err=True)


def hand_over(token_request: TokenRequest, *, start: bool, fresh: bool = False) -> bool:
    """Ask for this folder and environment, and print the answer; *fresh*: of a new mint.

    Return whether it lasts less long than was asked for.
    """
    check_output(sys.stdout)
    environ = environment()
    clock = SystemClock()
    end = clock.elapsed() + token_request.timeout
    folder = folder_body(token_request.timeout)
    variables = report(environ, max(_LEAST, end - clock.elapsed()))
    client = reach(start=start, timeout=max(_LEAST, end - clock.elapsed()))
    try:
        if fresh:
            client.refresh(token_request.credential, max(_LEAST, end - clock.elapsed()))
        token_request = msgspec.structs.replace(
            token_request,
            timeout=max(_LEAST, end - clock.elapsed()),
            mcp_server=mcp_server(environ) if token_request.format == "headers" else None,
        )
        body, headers = client.get_token(token_request, folder, variables)
    except BrokerError as error:
        from credward.cli.explaining import explained

        raise explained(client, token_request.credential, error) from error
    hand_out(body, end - clock.elapsed())
    return "lifetime-short" in headers
