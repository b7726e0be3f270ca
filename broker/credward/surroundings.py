"""What the environment and the folder of a caller say: every client asks the same question.

`settings_files` searches the folder, `policy.client_variables` has the format of the report on the
environment. A file system may not answer for ever, so the caller says how to look aside: in a child
(`cli.surroundings`) or in a thread (`sdk.aside`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from functools import partial

from credward.errors import BrokerError, Kind
from credward.folder import encode
from credward.named_files import opened, read_all
from credward.policy.client_variables import CERTIFICATES, told
from credward.settings_files import find_settings

__all__ = ["Aside", "folder_body", "report"]

# Longer than all certificate authorities of a system together (bytes).
_LONGEST_CERTIFICATES = 1024 * 1024

# Returns what a look returns, None if it takes longer than so many seconds; raises `internal` with
# the words of what is looked at if it failed.
Aside = Callable[[Callable[[], bytes], float, str], bytes | None]


def report(environ: Mapping[str, str], timeout: float, aside: Aside) -> str:
    """Return what *environ* says about where requests go, and through what.

    *timeout*: of the whole request (seconds); half of what is left of it is for each file of
    authorities that is named. Raise `timed-out` if its file system does not answer.
    """
    digests: dict[str, str] = {}
    for name in CERTIFICATES:
        path = environ.get(name)
        if not path or path in digests:
            continue
        digest = aside(partial(_digest, path), timeout / 2, f"the file in {name}")
        if digest is None:
            raise BrokerError(
                Kind.TIMED_OUT,
                f"the file system of the file in {name} did not answer in time: name another file",
            )
        digests[path] = digest.decode()
        timeout /= 2
    return told(environ, digests)


def folder_body(timeout: float, aside: Aside) -> bytes:
    """Return the body of a request from the working directory, empty if nothing is found.

    *timeout*: of the whole request (seconds); half of it is for the search. Raise `timed-out` if a
    file system does not answer, and `internal` if the search failed.
    """
    body = aside(_look, timeout / 2, ".claude/settings.json in this folder")
    if body is None:
        raise BrokerError(
            Kind.TIMED_OUT,
            "the file system of this folder did not answer in time, so its .claude/settings.json "
            "is unknown: run this in another folder",
        )
    return body


def _look() -> bytes:
    try:
        start = os.getcwd()  # noqa: PTH109 - any bytes are a name
    except OSError:
        start = ""
    # Too long for us, maybe not for the agent; not below our root; or removed, and the agent may
    # read what has its name by now.
    return find_settings(start) if start.startswith("/") else encode("unreadable", ".")


def _digest(path: str) -> bytes:
    """Return the digest of a file, empty if it cannot be read."""
    try:
        with opened(path) as descriptor:
            content = read_all(descriptor, _LONGEST_CERTIFICATES)
    except OSError:
        return b""
    return hashlib.sha256(content).hexdigest().encode()
