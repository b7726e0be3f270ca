"""Keys that an earlier set-up left in files of the shell: each new terminal has them again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from credward.cli.doctor.finding import Finding, Known, fail
from credward.cli.doctor.rivals import RIVALS, sent_instead
from credward.cli.setup.claude_code import read_quietly
from credward.errors import Kind
from credward.paths import environment

__all__ = ["check_shell_files", "keys_in"]

_FILES = (
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".bash_aliases",
    ".profile",
    ".zshrc",
    ".zshenv",
    ".zprofile",
    ".zlogin",
    ".config/fish/config.fish",
    ".config/fish/conf.d/*.fish",
    ".config/environment.d/*.conf",
)
_NAMES = "|".join(RIVALS)
# With a value that is not empty: `NAME=value` (sh, environment.d(5)), `set -gx NAME value` (fish).
_SETS = re.compile(
    rf"(?<![\w$])({_NAMES})=(?!\s|$|\"\"|''|;)|\bset\s+(?:-\S+\s+)*({_NAMES})\s+(?!\"\"|'')\S"
)


def check_shell_files(known: Known) -> Iterator[Finding]:
    """Report each line that sets a key which is sent beside the helper's token."""
    if known.merged is None or known.merged.helper is None:
        # Without a helper, such a key may be what the user wants.
        return
    home = Path(environment().get("HOME") or "/")
    for pattern in _FILES:
        for path in sorted(home.glob(pattern)):
            for number, name in keys_in(read_quietly(path)):
                yield fail(
                    "shell files",
                    f"{path}:{number} sets {name}, which is {sent_instead(name)}: remove that line",
                    Kind.FIX_CONFIGURATION,
                )


def keys_in(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines that set a key: their numbers, and the variable."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.lstrip().startswith("#") and (found := _SETS.search(line)):
            yield number, found[1] or found[2]
