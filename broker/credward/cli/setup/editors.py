"""The kinds of files that set-ups change, and what edits each, keeping every other byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from credward.cli.setup import ini_text, json_text, shell_block

__all__ = ["Editor", "FileKind", "editor_of", "held"]

FileKind = Literal["json", "ini", "shell"]


class Editor(Protocol):
    """Functions on a text; each raises `UnreadableError` for a text that is not in its format."""

    def get_member(self, text: str, path: tuple[str, ...]) -> Any:
        """Return the value at *path*, None if there is none; `{}` for one that is empty."""
        ...

    def set_member(self, text: str, path: tuple[str, ...], value: Any) -> str:
        """Return *text* with *value* at *path*."""
        ...

    def remove_member(self, text: str, path: tuple[str, ...]) -> str:
        """Return *text* without what is at *path*."""
        ...

    def lines_of(self, path: tuple[str, ...], value: Any) -> list[str]:
        """Return the lines that *value* at *path* is written as, without blanks around them."""
        ...


_EDITORS: Mapping[FileKind, Editor] = {"json": json_text, "ini": ini_text, "shell": shell_block}


def editor_of(kind: FileKind) -> Editor:
    """Return what edits files of this *kind*."""
    return _EDITORS[kind]


def held(kind: FileKind, text: str, path: tuple[str, ...]) -> Any:
    """Return the value at *path*, None also for a text without anything in it."""
    return editor_of(kind).get_member(text, path) if text.strip() else None
