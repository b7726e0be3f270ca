"""`credward version`."""

from __future__ import annotations

import platform

import click

from credward import __version__
from credward.cli.output import print_json

__all__ = ["command"]


@click.command("version", epilog="Example: credward version --json")
@click.option("--json", "as_json", is_flag=True, help="With the interpreter and the system.")
def command(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        print_json(
            {
                "version": __version__,
                "python": platform.python_version(),
                "system": platform.platform(),
            }
        )
    else:
        click.echo(f"credward {__version__}")
