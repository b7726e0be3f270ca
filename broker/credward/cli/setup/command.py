"""`credward setup`: the set-ups of tools, each a command of its own, and the way back of all."""

from __future__ import annotations

from typing import Any

import click

from credward.cli.setup.claude_code_command import command as claude_code_command
from credward.cli.setup.putting_back import put_back_options
from credward.cli.setup.tool_command import command_for
from credward.cli.setup.tools import TOOLS
from credward.cli.setup.undo import tell_undone

__all__ = ["command"]


@click.group(
    "setup",
    invoke_without_command=True,
    epilog="Example: credward setup claude-code gateway\n\nExample: credward setup --undo --all",
)
@click.option("--undo", is_flag=True, help="With --all: undo the set-up of every tool.")
@click.option("--all", "everything", is_flag=True, help="Every tool and every file.")
@click.option("--yes", is_flag=True, help="With --undo: do not ask.")
@put_back_options
@click.pass_context
def command(ctx: click.Context, /, undo: bool, everything: bool, yes: bool, **keys: Any) -> None:
    """Let a tool get its credential from credward."""
    if ctx.invoked_subcommand is not None:
        return
    if not (undo and everything):
        if undo or everything:
            raise click.UsageError("--undo and --all go together, or name a tool", ctx)
        raise click.exceptions.NoArgsIsHelpError(ctx)
    tell_undone(keys["put_back"], although_changed=keys["although_changed"], yes=yes)


command.add_command(claude_code_command)
for _tool in TOOLS:
    command.add_command(command_for(_tool))
