"""The file that a shell reads at its start, and lines in its words: variables, and a function.

bash, zsh and other POSIX shells have the same words here, fish has its own.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward.cli.setup.file_plan import Wish
from credward.cli.setup.record import Owner

__all__ = ["READ_FILE", "Shell", "shell_of"]

# How a shell reads a secret out of a file (for `endpoints.leading_to`); a mark that is replaced.
READ_FILE = "\0{}\0"
_READ = re.compile(r"\0([^\0]*)\0")
_FILES = {"bash": ".bashrc", "zsh": ".zshrc"}


class Shell(msgspec.Struct, frozen=True, kw_only=True):
    """One shell: the *file* that it reads, and whether it is fish."""

    file: Path
    fish: bool = False

    def wish(self, lines: str, owner: Owner) -> Wish:
        """Return what puts *lines* into its file, as one block."""
        return Wish(target=self.file, kind="shell", owner=owner, members={(owner.tool,): lines})

    def exports(self, variables: Mapping[str, str]) -> str:
        """Return the lines that set *variables* for all that is started from the shell."""
        begin, equals = ("set -gx ", " ") if self.fish else ("export ", "=")
        return "".join(
            f"{begin}{name}{equals}{self._value(value)}\n" for name, value in variables.items()
        )

    def function(self, program: str, secret: tuple[str, str], variables: Mapping[str, str]) -> str:
        """Return a function in place of *program*, which gives it a fresh secret and *variables*.

        *secret*: a variable, and the command line that prints its value. If that fails, the program
        is not started.
        """
        name, line = secret
        if self.fish:
            sets = "".join(
                f"    set -lx {each} {self._quoted(value)}\n" for each, value in variables.items()
            )
            return (
                f"function {program}\n{sets}    set -lx {name} ({line}); or return\n"
                f"    command {program} $argv\nend\n"
            )
        sets = "".join(
            f"    export {each}={self._quoted(value)}\n" for each, value in variables.items()
        )
        return (
            f'{program}() (\n{sets}    {name}="$({line})" || exit\n    export {name}\n'
            # Not `exec`: zsh would call the function again.
            f'    command {program} "$@"\n)\n'
        )

    def _value(self, value: str) -> str:
        found = _READ.fullmatch(value)
        if found is None:
            return self._quoted(value)
        read = f"cat {self._quoted(found[1])} 2>/dev/null"
        return f"({read})" if self.fish else f'"$({read})"'

    def _quoted(self, value: str) -> str:
        if not self.fish:
            return shlex.quote(value)
        # fish.shell, "Quotes": between single ones a backslash escapes itself and a quote.
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def shell_of(environ: Mapping[str, str], file: Path | None) -> Shell:
    """Return the user's shell; *file*: another one than it reads by itself."""
    name = Path(environ.get("SHELL") or "/bin/sh").name
    home = Path(environ.get("HOME") or "/")
    if file is not None:
        return Shell(file=file.expanduser().absolute(), fish=file.suffix == ".fish")
    if name == "fish":
        folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        return Shell(file=folder / "fish" / "config.fish", fish=True)
    if name == "zsh":
        home = Path(environ.get("ZDOTDIR") or home)
    return Shell(file=home / _FILES.get(name, ".profile"))
