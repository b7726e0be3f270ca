"""`credward completion`: the script that makes a shell complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from credward.errors import BrokerError, Kind
from credward.paths import environment

__all__ = ["command"]


_SHELLS = ("bash", "zsh", "fish")


@click.command(
    "completion", epilog='Example: eval "$(credward completion)"  (put it in your ~/.bashrc)'
)
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
@click.pass_context
def command(ctx: click.Context, shell: str | None) -> None:
    """Print the completion script for SHELL; without it, for the shell that $SHELL names."""
    if shell is None:
        shell = environment().get("SHELL", "").rpartition("/")[2]
        if shell not in _SHELLS:
            raise BrokerError(
                Kind.BAD_REQUEST,
                "SHELL names none of bash, zsh and fish: run credward completion bash",
            )
    shell_class = get_completion_class(shell)
    assert shell_class is not None
    root = ctx.find_root().command
    click.echo(shell_class(root, {}, "credward", "_CREDWARD_COMPLETE").source())
