"""A sink that is one profile of an AWS shared credentials file (`~/.aws/credentials`).

Other programs and people have profiles there too, so the file is edited, and only the keys of our
profile are ours. How its text is edited: `formats.aws_credentials`.
"""

from __future__ import annotations

from credward.config import CredentialConfig, SinkConfig
from credward.formats.aws_credentials import (
    has_profile,
    key_lines,
    keys_in,
    with_profile,
    without_profile,
)
from credward.sinks.folder import opened_folder
from credward.sinks.ours import Marks, claimed, marks_of, not_ours
from credward.tokens import Token

__all__ = ["AwsCredentials"]


class AwsCredentials:
    """The section of *sink*'s profile in the file at its path."""

    def __init__(self, sink: SinkConfig) -> None:
        self._sink = sink
        self._folder, self._name = sink.path.parent, sink.path.name

    def shaped(self, token: Token, credential: CredentialConfig, now: float) -> bytearray:
        """Return the lines with the keys."""
        return key_lines(token, credential.name, now)

    def marks(self, body: bytearray, _credential: CredentialConfig) -> Marks:
        """Return marks of the keys, and of a profile that somebody took them out of."""
        keys = keys_in(with_profile(b"", self._sink.profile, bytes(body)), self._sink.profile)
        return marks_of(keys or b"", b"")

    def check(self, ours: Marks) -> Marks:
        """Refuse a profile of that name whose keys are not ours."""
        return self._ours(self._read(), ours)

    def holds(self, ours: Marks) -> bool:
        """Return whether there is a profile of this name with keys of ours."""
        content = self._read()
        return bool(self._ours(content, ours) and keys_in(content, self._sink.profile))

    def write(self, body: bytearray, _credential: CredentialConfig, ours: Marks) -> None:
        """Replace the keys of the profile; the rest stays byte for byte."""

        def change(found: bytes | None) -> bytes:
            self._ours(found or b"", ours)
            return with_profile(found or b"", self._sink.profile, bytes(body))

        with opened_folder(self._folder) as folder:
            folder.edit(self._name, change, self._sink.mode)

    def remove(self, ours: Marks) -> bool:
        """Take the keys out, and the file away if nothing is left in it."""
        rest: bytes | None = None

        def change(found: bytes | None) -> bytes | None:
            nonlocal rest
            rest = found
            if self._ours(found or b"", ours):
                rest = without_profile(found or b"", self._sink.profile) or None
            return found if rest == found else rest

        with opened_folder(self._folder) as folder:
            folder.edit(self._name, change, self._sink.mode)
        return has_profile(rest or b"", self._sink.profile)

    def _read(self) -> bytes:
        with opened_folder(self._folder) as folder:
            return folder.read(self._name) or b""

    def _ours(self, content: bytes, ours: Marks) -> Marks:
        profile = self._sink.profile
        refusal = not_ours(
            f'profile "{profile}" in "{self._sink.path}"', "rename it, or give the sink another one"
        )
        return claimed(ours, keys_in(content, profile), refusal)
