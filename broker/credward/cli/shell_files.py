"""Keys of agents that stand in shell files, and the line without its key.

Reads lines of bash, zsh and fish, runs nothing; what becomes of a key is `add.take_over`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import msgspec

from credward.named_files import read_text
from credward.tokens import Secret

__all__ = ["SHELL_FILES", "VARIABLES", "ShellKey", "find_keys", "gives", "muted"]

VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY")
SHELL_FILES = (
    ".bashrc",
    ".bash_profile",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".config/fish/config.fish",
)
# Words before an assignment that stands alone on its line.
_EXPORTS = frozenset({"export", "declare", "typeset", "-x", "-gx"})
# A shell would put something else there.
_EXPANDED = frozenset("$`\\")
_SHORTEST = 8


class ShellKey(msgspec.Struct, frozen=True, kw_only=True):
    """The key that line *number* (from 1) of *path* gives to *variable*.

    *alone*: the line does nothing else, so it can be commented out.
    """

    variable: str
    path: Path
    number: int
    value: Secret
    alone: bool

    @property
    def place(self) -> str:
        """Where it is, for people."""
        return f"{self.path}:{self.number}"


def find_keys(home: Path) -> Iterator[ShellKey]:
    """Yield the keys that are written out in the shell files below *home*."""
    seen = set()
    for path in (home / name for name in SHELL_FILES):
        real = path.resolve()
        if real in seen:
            # A link of a dotfile manager to a file that was read already.
            continue
        seen.add(real)
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError):
            continue
        for number, line in enumerate(text.split("\n"), 1):
            found = _key_in(line)
            if found is not None:
                variable, value, alone = found
                yield ShellKey(
                    variable=variable, path=path, number=number, value=Secret(value), alone=alone
                )


def gives(line: str, value: str) -> bool:
    """Return whether *line* gives the key *value* to a variable of ours, and does nothing else."""
    found = _key_in(line)
    return found is not None and found[1:] == (value, True)


def muted(line: str, value: str) -> str:
    """Return *line* as a comment without the key; it stays a command if it is inside of a block."""
    indent = line[: len(line) - len(line.lstrip())]
    # A block of a shell needs a command.
    mark = ": # " if indent else "# "
    return f"{indent}{mark}{line.lstrip().replace(value, '…')}"


def _key_in(line: str) -> tuple[str, str, bool] | None:
    """Return variable, key, and whether the line does nothing else."""
    if not any(variable in line for variable in VARIABLES):
        return None
    words = _words(line)
    if words[:1] == ["set"]:
        return _fish_key(words)
    for index, word in enumerate(words):
        variable, equals, value = word.partition("=")
        if equals and variable in VARIABLES and _is_key(value):
            rest = [*words[:index], *words[index + 1 :]]
            exported = [";", "export", variable]
            alone = rest == exported or _EXPORTS.issuperset(rest)
            return variable, value, alone
    return None


def _fish_key(words: list[str]) -> tuple[str, str, bool] | None:
    """Return what `set -gx NAME VALUE` gives."""
    plain = [word for word in words[1:] if not word.startswith("-")]
    if len(plain) < 2 or plain[0] not in VARIABLES or not _is_key(plain[1]):
        return None
    return plain[0], plain[1], len(plain) == 2


def _words(line: str) -> list[str]:
    """Return the words of a line up to a comment, none if it does not end here."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>")
    lexer.whitespace_split = True
    # A mark inside of a word is part of it; shlex would end the word.
    lexer.commenters = ""
    try:
        words = list(lexer)
    except ValueError:
        return []
    ends = (index for index, word in enumerate(words) if word.startswith("#"))
    return words[: next(ends, len(words))]


def _is_key(value: str) -> bool:
    return (
        len(value) >= _SHORTEST
        and value.isascii()
        and value.isprintable()
        and " " not in value
        and _EXPANDED.isdisjoint(value)
    )
