"""`credward get`: print a credential in the shape asked for."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from credward.cli.names import complete_credentials
from credward.cli.start import reach
from credward.cli.surroundings import folder_body
from credward.clock import SystemClock
from credward.config import environment
from credward.errors import BrokerError, Kind
from credward.policy.destinations import claimed
from credward.tokens import TokenRequest

__all__ = ["client_flags", "command"]

# No answer comes sooner (seconds).
_LEAST = 0.3


@click.command("get", epilog="Example: credward get gateway --format headers")
@click.argument("name", default="-", shell_complete=complete_credentials)
@click.option(
    "--format", "shape", default="token", show_default=True, help="token|json|headers|env"
)
@click.option("--min-remaining", type=click.FloatRange(min=0), help="Seconds it must still last.")
@click.option("--timeout", type=click.FloatRange(_LEAST, 600), default=10.0, show_default=True)
@click.option("--audience", help="Another audience, if listed in serve.audiences.")
@click.option("--scope", "scopes", multiple=True, help="A scope, if listed in serve.scopes.")
@click.option("--base-url", help="Where you will send it, for credentials bound to a host.")
@click.option("--no-start", is_flag=True, help="Do not start the daemon.")
def command(
    name: str,
    shape: str,
    min_remaining: float | None,
    timeout: float,
    audience: str | None,
    scopes: tuple[str, ...],
    base_url: str | None,
    no_start: bool,
) -> None:
    """Print the credential NAME (without NAME: the default one).

    Nothing but the credential goes to standard output.
    """
    if sys.stdout is None:
        raise BrokerError(Kind.INTERNAL, "standard output is closed: check who reads it")
    environ = environment()
    clock = SystemClock()
    end = clock.elapsed() + timeout
    folder = folder_body(environ, timeout)
    timeout = max(_LEAST, end - clock.elapsed())
    client = reach(start=not no_start, timeout=timeout)
    body, _headers = client.get_token(
        TokenRequest(
            credential=name,
            format=shape,
            audience=audience,
            scopes=scopes,
            min_remaining=min_remaining,
            timeout=timeout,
            client_base_url=base_url or claimed(environ),
            client_flags=client_flags(environ),
            in_tool="CLAUDECODE" in environ,
        ),
        folder,
    )
    sys.stdout.buffer.write(body)
    sys.stdout.buffer.flush()


def client_flags(environ: Mapping[str, str]) -> frozenset[str]:
    """Return what *environ* puts between a caller and the host that it sends a token to."""
    proxies = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
    found = {
        "proxy": any(environ.get(name) for name in proxies),
        "tls-off": environ.get("NODE_TLS_REJECT_UNAUTHORIZED") == "0",
        "extra-ca": bool(environ.get("NODE_EXTRA_CA_CERTS")),
    }
    return frozenset(name for name, present in found.items() if present)
