"""A group of commands that names the one which is meant by a former or mistyped word."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from credward.errors import BrokerError, Kind
from credward.guess import guess

__all__ = ["WordGroup"]


class WordGroup(click.Group):
    """Its words are those of its commands; *meant*: for words of other tools, the command here."""

    def __init__(
        self, *arguments: Any, meant: Mapping[str, str] | None = None, **keys: Any
    ) -> None:
        """Take what `click.group` takes."""
        super().__init__(*arguments, **keys)
        self._meant = dict(meant or {})

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Raise `bad-request` for a word that is no command."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            word, path = args[0], ctx.command_path
            if word in self._meant:
                text = f'no command "{word}": run {path} {self._meant[word]}'
            else:
                near = guess(word, list(self.commands))
                text = f'no command "{word[:64]}"{near}: run {path} --help'
            raise BrokerError(Kind.BAD_REQUEST, text)
        return super().resolve_command(ctx, args)
