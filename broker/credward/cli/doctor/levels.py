"""The settings files of Claude Code in doctor's lines: which one it is, and what corrects it."""

from __future__ import annotations

from credward.cli.setup.claude_code_merged import Level, Merged

__all__ = ["fix_for", "is_user", "remove", "set_up_again", "unset", "where"]


def is_user(level: Level) -> bool:
    """Return whether it is the user's own file, which set-up writes if nothing else is asked."""
    return level.name == "user"


def set_up_again(what: str, level: Level | None, replace: str = "") -> str:
    """Return the command that corrects *level*, None: what the shell says.

    *what* to set up: see `what_to_set_up`. *replace* is its option for another's helper.
    """
    command = f"run credward setup claude-code {what}"
    if level is None or is_user(level):
        return f"{command}{replace}"
    match level.name:
        case "managed":
            return "ask your administrator"
        case "given":
            return f"{command}{replace} --settings {level.path}"
        case "local":
            return f"remove it there, or {command}{replace} --level local"
        case _:
            return f"remove it there, or {command} --level local"


def where(merged: Merged, variable: str, *, folder: bool = True) -> str:
    """Return where the value of *variable* is set that counts, as the beginning of a sentence.

    *folder* as for `Merged.environment`.
    """
    level = merged.setter(variable, folder=folder)
    return f"{variable} is set in this shell" if level is None else f"{level.path} sets {variable}"


def unset(merged: Merged, variable: str) -> str:
    """Return what takes that value away."""
    level = merged.setter(variable)
    return f"unset {variable}" if level is None else remove(level)


def remove(level: Level) -> str:
    """Return how to take a member out of *level*."""
    return "ask your administrator" if level.name == "managed" else "remove it there"


def fix_for(what: str, level: Level | None) -> tuple[str, ...]:
    """Return the words of the command that `--fix` may run for *level*, None: the shell."""
    return ("setup", "claude-code", what) if level is None or is_user(level) else ()
