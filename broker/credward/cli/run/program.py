"""Becoming the command: the same process, so nothing stands between it and who started it.

Exit status, signals, terminal and job control are the command's own.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from credward.cli.output import say
from credward.text.tables import plain

__all__ = ["become", "find_program"]

# As shells say it (POSIX, "Shell Command Language", 2.8.2).
_NOT_FOUND, _NOT_STARTED = 127, 126
# Python ignores them, and a program inherits that.
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)


def find_program(name: str, environ: Mapping[str, str]) -> str:
    """Return the path of the program *name*; else end as a shell does."""
    path = environ.get("PATH", os.defpath)
    found = shutil.which(name, path=path)
    if found is not None:
        return found
    if shutil.which(name, os.F_OK, path=path) is not None or os.path.isdir(name):  # noqa: PTH112
        _give_up(name, errno.EACCES)
    return _give_up(name, errno.ENOENT)


def become(program: str, words: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Run *program* with *words* and exactly these variables in this process; or end as a shell."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    for each in _IGNORED:
        signal.signal(each, signal.SIG_DFL)
    try:
        os.execve(program, list(words), dict(environ))  # noqa: S606 - what the user typed
    except OSError as error:
        number = error.errno or 0
    if number == errno.ENOEXEC:
        # A script without its first line: as execvp(3) does.
        with suppress(OSError):
            os.execve("/bin/sh", ["sh", program, *words[1:]], dict(environ))  # noqa: S606
    _give_up(words[0], number)


def _give_up(name: str, number: int) -> NoReturn:
    if number == errno.ENOENT:
        say(f'credward: "{plain(name)}" is not a command here: check its name, and PATH')
        sys.exit(_NOT_FOUND)
    say(f'credward: "{plain(name)}" cannot be started ({os.strerror(number)}): check the file')
    sys.exit(_NOT_STARTED)
