"""`credward get` of the usual kind becomes the native helper, which asks the same question.

Loading the libraries of the command line takes a hundred times as long as the question. So this
imports none of them, and leaves to `get` all that the helper does not do: errors in the arguments,
a new mint, other audiences. Nothing here decides anything.
"""

from __future__ import annotations

import os
import signal
import sys

__all__ = ["become_helper", "native_helper", "plain"]

_NAME_LIMIT = 64
# Options that both have, with the same meaning.
_VALUES = ("--format", "--base-url")
_FLAGS = ("--no-start",)
# The default of `credward get` (seconds); a helper's callers wait less.
_TIMEOUT = "10"


def become_helper(words: list[str]) -> None:
    """Run the helper in this process if *words* of `credward get` are plain; else return."""
    arguments = plain(words)
    if arguments is None or (sys.stdout.isatty() and sys.stderr.isatty()):
        # To a person, `get` says more about an error than the helper may.
        return
    helper = native_helper()
    if helper is None:
        return
    try:
        # Python ignores it, and a program inherits that.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execv(helper, ["credward-helper", "--timeout", _TIMEOUT, *arguments])  # noqa: S606
    except OSError:
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def native_helper() -> str | None:
    """Return the helper beside our interpreter; None if it is not there, or the Python one.

    The Python helper would load the libraries that we avoid.
    """
    if not os.path.isabs(sys.executable):  # noqa: PTH117
        # Python does not know where it is: "credward-helper" would be one of the working directory.
        return None
    helper = os.path.join(os.path.dirname(sys.executable), "credward-helper")  # noqa: PTH118, PTH120
    try:
        with open(helper, "rb") as file:  # noqa: PTH123
            return None if file.read(2) == b"#!" else helper
    except OSError:
        return None


def plain(words: list[str]) -> list[str] | None:
    """Return the helper's arguments for *words*; None if `get` has to read them."""
    names: list[str] = []
    options = []
    rest = iter(words)
    for word in rest:
        option, equals, value = word.partition("=")
        if option in _VALUES:
            value = value if equals else next(rest, "")
            if not value or value.startswith("-"):
                return None
            options += [option, value]
        elif word in _FLAGS:
            options.append(word)
        elif _is_name(word):
            names.append(word)
        else:
            return None
    return [*options, *names]


def _is_name(word: str) -> bool:
    characters = word.replace(".", "").replace("_", "").replace("-", "")
    return (
        word.isascii()
        and len(word) <= _NAME_LIMIT
        and word[:1].isalnum()
        and (not characters or characters.isalnum())
    )
