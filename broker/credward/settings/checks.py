"""Checks that the settings of several providers share; each raises `ValueError` with what to write.

Looks at words only: whether a program exists is found out by the worker that runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

__all__ = ["check_base_urls", "check_program", "check_variables"]


def check_program(command: Sequence[str]) -> None:
    """Refuse what cannot name a program, or would name another one in another directory."""
    if not command or not command[0].strip():
        raise ValueError('command is a program and its arguments, such as ["az", "account"]')
    if any("\0" in word for word in command):
        raise ValueError("command holds a NUL character")
    if "/" in command[0] and not command[0].startswith(("/", "~/")):
        raise ValueError("command begins with a program's name, an absolute path, or ~/…")


def check_variables(names: Iterable[str]) -> None:
    """Refuse names that are no variables, and those that steer credward itself."""
    for name in names:
        if not name.isidentifier() or not name.isascii():
            raise ValueError(f'"{name}" in env is not the name of a variable')
        if name.startswith("CREDWARD_"):
            raise ValueError(f"{name} in env is credward's own and cannot be set for a program")


def check_base_urls(settings: msgspec.Struct, base_urls: tuple[str, ...]) -> None:
    """Refuse a token that could not be used at *base_urls*.

    By the settings' own method of this name, which most have not, as they cannot tell.
    """
    if (check := getattr(settings, "check_base_urls", None)) is not None:
        check(base_urls)
