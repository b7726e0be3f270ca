"""The help of each command is read at once: on two screens of 80 by 24 at most."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from credward.cli.main import COMMANDS, credward

COLUMNS, ROWS = 80, 24


def helps() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Yield every command with its words, also the hidden ones, and those of groups."""
    waiting: list[tuple[click.Context | None, str, click.Command]] = [(None, "credward", credward)]
    while waiting:
        above, name, command = waiting.pop()
        ctx = click.Context(
            command,
            info_name=name,
            parent=above,
            terminal_width=COLUMNS,
            **command.context_settings,
        )
        yield ctx.command_path, command, ctx
        if isinstance(command, click.Group):
            names = COMMANDS if command is credward else command.list_commands(ctx)
            for each in names:
                found = command.get_command(ctx, each)
                assert found is not None
                waiting.append((ctx, each, found))


HELPS = {path: (command, ctx) for path, command, ctx in helps()}


@pytest.mark.parametrize("path", HELPS)
def test_help_fits_two_screens_and_has_an_example(path: str) -> None:
    """No line is wrapped by the terminal; the example is of this very command."""
    command, ctx = HELPS[path]
    lines = command.get_help(ctx).splitlines()

    assert len(lines) < 2 * ROWS
    assert [line for line in lines if len(line) > COLUMNS] == []
    # `credward config path` is shown within another command.
    assert any("Example: " in line and path in line for line in lines)
    # To be copied: in one line each, with what is said about it.
    examples = (command.epilog or "").splitlines()
    assert {each for each in examples if each} <= {line.strip() for line in lines}


def test_the_first_screen_is_short() -> None:
    """All commands of every day are on the first of the two; each has one line."""
    command, ctx = HELPS["credward"]
    lines = command.get_help(ctx).splitlines()

    assert any(line.startswith("  doctor ") for line in lines[:ROWS])
    assert [line for line in lines if line.startswith(" " * 6)] == []


def test_all_commands_were_looked_at() -> None:
    """Also those within groups."""
    assert {"credward status", "credward daemon logs", "credward setup claude-code"} <= set(HELPS)
    assert len(HELPS) > len(COMMANDS) + 10
