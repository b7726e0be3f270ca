"""`credward completion`: the script that makes a shell complete our commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

__all__ = ["command"]


@click.command(
    "completion", epilog='Example: eval "$(credward completion bash)"  (put it in your ~/.bashrc)'
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL."""
    shell_class = get_completion_class(shell)
    assert shell_class is not None
    root = ctx.find_root().command
    click.echo(shell_class(root, {}, "credward", "_CREDWARD_COMPLETE").source())
