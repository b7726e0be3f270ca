"""The secrets of endpoints: what a client shows so that it is not just anybody on this machine.

Each has a file of its own, made once, so that a client set up with it still gets in after a restart
of the daemon. It grants nothing but to be heard: who asks is decided as at every door.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from credward.errors import BrokerError, Kind
from credward.store.files import read_private, replace
from credward.tokens import Secret

__all__ = ["load_or_make_secret", "secret_file"]

_DIRECTORY = "endpoints"
_WHAT = "token of an endpoint"
_BYTES = 32
# A client that sends a file sees by its prefix that the file was made for that.
_PREFIX = "credward_"
_PLAIN = re.compile(rb"credward_[A-Za-z0-9_-]{43}")


def secret_file(state_dir: Path, endpoint: str) -> Path:
    """Return where the secret of an endpoint is kept."""
    return state_dir / _DIRECTORY / f"{endpoint}.token"


def load_or_make_secret(path: Path) -> Secret:
    """Return the secret in *path*, made if there is none; others must not be able to read it.

    It is written without a line end: AWS SDKs send the file as it is.
    """
    found = read_private(path, _WHAT)
    # What is damaged is made anew: clients read the file, or are set up again.
    if found is None or not _PLAIN.fullmatch(found):
        found = f"{_PREFIX}{secrets.token_urlsafe(_BYTES)}".encode()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace(path, found)
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'{_WHAT} "{path}" cannot be written ({error.strerror}): '
                "correct the permissions of its folder, then run credward daemon reload",
            ) from error
    return Secret(found.decode("ascii"))
