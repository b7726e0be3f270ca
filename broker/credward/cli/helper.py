"""`credward-helper` for systems without a C compiler: a front end of `credward get`, without rules.

It knows the options of the native helper and their defaults.
"""

from __future__ import annotations

import sys

import click

from credward import __version__
from credward.cli.get import hand_over, named
from credward.cli.main import run
from credward.cli.output import print_error
from credward.cli.start import client_of, paths
from credward.errors import BrokerError
from credward.tokens import TokenRequest

__all__ = ["command", "main"]


@click.command("credward-helper")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--format",
    "shape",
    default="token",
    help="token, json, headers (of one or more), env, aws-process, aws-export, gcp-executable",
)
@click.option("--min-remaining", type=click.FloatRange(min=0), help="Seconds it must still last.")
@click.option("--cache-ttl", type=click.FloatRange(min=0), help="Seconds that you will keep it.")
@click.option("--timeout", type=click.FloatRange(0, 600, min_open=True), default=4.0)
@click.option("--no-start", is_flag=True, help="Do not start the daemon.")
@click.option("--check", type=click.Choice(["ready"]), help="Exit 0 if it is ready, 1 if not.")
@click.option("--base-url", help="Where you will send it.")
@click.version_option(__version__, message="%(prog)s %(version)s (Python)")
def command(
    names: tuple[str, ...],
    shape: str,
    min_remaining: float | None,
    cache_ttl: float | None,
    timeout: float,
    no_start: bool,
    check: str | None,
    base_url: str | None,
) -> None:
    """Print a short-lived credential of the credward daemon; without NAME the default one."""
    if check is not None:
        sys.exit(_judge_readiness(timeout))
    token_request = TokenRequest(
        credential=named(names),
        format=shape,
        min_remaining=min_remaining,
        cache_ttl=cache_ttl,
        timeout=timeout,
        client_base_url=base_url,
    )
    hand_over(token_request, start=not no_start)


def _judge_readiness(timeout: float) -> int:
    """Return 0 for ready, 1 for not ready; a daemon that cannot be asked is not ready."""
    try:
        if client_of(paths(), timeout).ready().ready:
            return 0
        click.echo("credward: the daemon is not ready: run credward status", err=True)
    except BrokerError as error:
        print_error(error)
    return 1


def main() -> None:
    """Run the helper."""
    run(command, sys.argv[1:], "credward-helper")
