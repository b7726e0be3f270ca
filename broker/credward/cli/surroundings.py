"""The settings files of Claude Code around the working directory, as the helper finds them.

Handed over raw by `get`, as the helper does: an agent that runs here may follow them; and judged
for `doctor`. The look is the helper's own (`folder.c`), so that both always see the same.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping

from credward.cli.helper_probe import find_helper
from credward.errors import BrokerError, Kind

__all__ = ["folder_body"]

# What the helper has for ending, and an interpreter in its place for starting (seconds).
_GRACE = 2.0


def folder_body(environ: Mapping[str, str], timeout: float) -> bytes:
    """Return the body of a question from the working directory, empty where nothing is found.

    *timeout*: of the whole question (seconds), of which half is for the look. Raise `timed-out`
    where a file system does not answer, and `internal` where the look failed.
    """
    try:
        helper = subprocess.Popen(
            [find_helper(), "--folder", "--timeout", f"{timeout:.3f}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environ,
        )
    except OSError as error:
        raise _failed(f"{error.strerror or error}: try again") from error
    try:
        told, complaint = helper.communicate(timeout=timeout / 2 + _GRACE)
    except subprocess.TimeoutExpired as error:
        # Nobody waits for it: the kernel may hold it beyond SIGKILL.
        helper.kill()
        raise _silent() from error
    # Its exit code is 0 in any case where SIGCHLD is ignored, as some harnesses have it.
    if told.endswith(b"\0"):
        return told[:-1]
    if helper.returncode in {-signal.SIGALRM, Kind.TIMED_OUT.exit_code}:
        raise _silent()
    said = complaint.decode("utf-8", "replace").removeprefix("credward: ").strip()
    raise _failed(said or "its helper ended without a word: run credward doctor")


def _silent() -> BrokerError:
    return BrokerError(
        Kind.TIMED_OUT,
        "the file system of this folder did not answer in time, so its .claude/settings.json is "
        "not known: run this in another folder",
    )


def _failed(why: str) -> BrokerError:
    return BrokerError(
        Kind.INTERNAL, f"the look at .claude/settings.json in this folder failed: {why}"
    )
