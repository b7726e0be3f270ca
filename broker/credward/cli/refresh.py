"""`credward refresh`: mint a token now."""

from __future__ import annotations

import click

from credward.cli.names import complete_credentials
from credward.cli.output import format_duration, print_json
from credward.cli.start import reach

__all__ = ["command"]


@click.command(
    "refresh",
    short_help="Mint a new token now; nothing secret is printed.",
    epilog="Example: credward refresh gateway",
)
@click.argument("name", default="-", shell_complete=complete_credentials)
@click.option("--timeout", type=click.FloatRange(0.3, 600), default=30.0, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def command(name: str, timeout: float, as_json: bool) -> None:
    """Mint a new token for NAME, even if one is held; nothing secret is printed."""
    result = reach(timeout=timeout).refresh(name, timeout)
    if as_json:
        print_json(result)
        return
    ends = (
        "without a known end"
        if result.expires_at is None
        else f"lasting {format_duration(result.expires_at - result.issued_at)}"
    )
    click.echo(f"{result.credential}: new token {result.token_id} {ends}")
