"""A plain `credward status`: the daemon writes the text, the native helper fetches it, we print it.

Loading the libraries of the command line takes much longer than that, so this imports none. If
anything is not as usual, nothing is printed, and the command itself asks again and says why.
"""

from __future__ import annotations

import os
import select
import sys

from credward.cli.becoming import native_helper

__all__ = ["columns", "print_status"]

# What the helper may take (seconds): the daemon waits up to 2 s for a store that is being opened.
_TIMEOUT = "3"


def print_status(words: list[str]) -> bool:
    """Print it if *words* of `credward status` are plain and all is well; return whether it was."""
    # In other encodings characters may be missing: the command knows what to do then.
    if words not in ([], ["--wide"]) or sys.stdout is None or sys.stdout.encoding != "utf-8":
        return False
    try:
        page = _ask(f"width={(not words and columns()) or 0}&colour={int(_has_colours())}")
        if page is None:
            return False
        _write(page)
    except KeyboardInterrupt:
        sys.stderr.write("\ncredward: cancelled\n")
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone; click ends so too.
        sys.exit(1)
    return True


def columns(*, err: bool = False) -> int | None:
    """Return how wide the terminal is, None if the output (*err*: of errors) goes elsewhere."""
    stream = sys.stderr if err else sys.stdout
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (AttributeError, OSError, ValueError):
        # It is closed: then there is no stream either.
        return None


def _write(page: bytes) -> None:
    output = sys.stdout.fileno()
    while page:
        try:
            page = page[os.write(output, page) :]
        except BlockingIOError:
            # Another process that shares it made it non-blocking, and its reader is slow.
            select.select((), (output,), ())
        except BrokenPipeError:
            raise
        except OSError as error:
            from credward.cli.lost_output import end_without_output

            end_without_output(error)


def _has_colours() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def _ask(look: str) -> bytes | None:
    """Return the text for this *look*; None if there is any reason why not."""
    helper = native_helper()
    if helper is None:
        return None
    arguments = ["credward-helper", "--timeout", _TIMEOUT, "--status", look]
    reads, writes = os.pipe()
    quiet = [
        (os.POSIX_SPAWN_DUP2, writes, 1),
        (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
    ]
    with open(reads, "rb") as pipe:  # noqa: PTH123
        try:
            child = os.posix_spawn(helper, arguments, os.environ, file_actions=quiet)
        except OSError:
            return None
        finally:
            os.close(writes)
        page = pipe.read()
    try:
        _, status = os.waitpid(child, 0)
    except ChildProcessError:
        # Whoever started us ignores SIGCHLD, so nobody knows how it ended.
        return None
    return page if status == 0 else None
