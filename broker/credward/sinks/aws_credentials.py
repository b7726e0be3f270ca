"""A sink that is one profile of an AWS shared credentials file (`~/.aws/credentials`).

Other programs and people have profiles there too, so the file is read before it is replaced. How
its text is edited: `formats.aws_credentials`.
"""

from __future__ import annotations

import errno
import os

from credward.config import CredentialConfig, SinkConfig
from credward.errors import BrokerError, Kind
from credward.formats.aws_credentials import (
    has_profile,
    key_lines,
    with_profile,
    without_profile,
)
from credward.sinks.folder import SinkFolder, opened_folder
from credward.tokens import Token

__all__ = ["AwsCredentials"]

# How often to begin anew if another program changes the file meanwhile.
_TRIES = 5


class AwsCredentials:
    """The section of *sink*'s profile in the file at its path."""

    def __init__(self, sink: SinkConfig) -> None:
        self._sink = sink
        self._folder, self._name = sink.path.parent, sink.path.name

    def shaped(self, token: Token, credential: CredentialConfig, now: float) -> bytearray:
        """Return the lines with the keys."""
        return key_lines(token, credential.name, now)

    def check(self, *, ours: bool) -> None:
        """Refuse a profile of that name that somebody else made."""
        if self.there() and not ours:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{self._sink.path}" has a profile "{self._sink.profile}" that credward did '
                "not write: remove it, or give the sink another profile, then run credward "
                "daemon reload",
            )

    def there(self) -> bool:
        """Return whether there is a profile of this name."""
        with opened_folder(self._folder) as folder:
            folder.stamp(self._name)
            return has_profile(folder.read(self._name) or b"", self._sink.profile)

    def write(self, body: bytearray, _credential: CredentialConfig) -> None:
        """Replace the keys of the profile; the rest stays byte for byte."""
        with opened_folder(self._folder) as folder:
            for _ in range(_TRIES):
                stamp = folder.stamp(self._name)
                content = folder.read(self._name) or b""
                fresh = with_profile(content, self._sink.profile, bytes(body))
                if folder.stamp(self._name) == stamp:
                    folder.replace(self._name, fresh, self._sink.mode)
                    return
            raise _busy()

    def remove(self) -> None:
        """Take the keys out, and the file away if nothing is left in it."""
        with opened_folder(self._folder) as folder:
            for _ in range(_TRIES):
                if self._take_out(folder):
                    return
            raise _busy()

    def _take_out(self, folder: SinkFolder) -> bool:
        """Return whether it is done; False if the file changed meanwhile."""
        stamp = folder.stamp(self._name)
        content = folder.read(self._name)
        left = None if content is None else without_profile(content, self._sink.profile)
        if folder.stamp(self._name) != stamp:
            return False
        if not left:
            folder.remove(self._name)
        elif left != content:
            folder.replace(self._name, left, self._sink.mode)
        return True


def _busy() -> OSError:
    return OSError(errno.EBUSY, os.strerror(errno.EBUSY))
