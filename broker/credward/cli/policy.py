"""`credward policy`: what the policy says."""

from __future__ import annotations

import sys

import click

from credward.cli.config import checked
from credward.cli.output import print_json
from credward.cli.start import paths
from credward.cli.word_group import WordGroup
from credward.errors import ConfigErrors

__all__ = ["command"]


@click.group("policy", cls=WordGroup, epilog="Example: credward policy check")
def command() -> None:
    """Check the policy: who may have which credential."""


@command.command(
    "check",
    short_help="Print all errors in the policy files.",
    epilog="Example: credward policy check",
)
@click.option("--json", "as_json", is_flag=True, help="The result for programs.")
def check(as_json: bool) -> None:
    """Check all policy files as the daemon would, and print every error with file and line."""
    try:
        config = checked(paths(), None)
    except ConfigErrors as errors:
        if as_json:
            print_json({"errors": errors.lines})
        else:
            for line in errors.lines:
                click.echo(line, err=True)
        sys.exit(errors.kind.exit_code)
    directory = config.policy.directory
    files = sorted(directory.glob("*.cedar")) if directory is not None else []
    if as_json:
        print_json({"errors": [], "files": [str(each) for each in files]})
        return
    yours = ", ".join(each.name for each in files) or "no file of yours"
    shipped = f"what credward ships for mode {config.listen.mode}"
    click.echo(f"the policy is good: {yours}, and {shipped}")
