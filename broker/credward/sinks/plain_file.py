"""A sink that is a whole file: format `token`, `env` or `json`.

As the formats of the same name at the socket, but `token` has no line end: SDKs of AWS send a token
file as it is, and refuse one (`AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`); others strip it.
"""

from __future__ import annotations

from credward.config import CredentialConfig, SinkConfig
from credward.formats.registry import ShapeRequest, shape
from credward.sinks.folder import opened_folder
from credward.sinks.ours import Marks, claimed, marks_of, not_ours
from credward.tokens import Token

__all__ = ["PlainFile"]


class PlainFile:
    """The file at the path of *sink*."""

    def __init__(self, sink: SinkConfig) -> None:
        self._sink = sink
        self._folder, self._name = sink.path.parent, sink.path.name

    def shaped(self, token: Token, credential: CredentialConfig, now: float) -> bytearray:
        """Return the token in the format of the sink."""
        request = ShapeRequest(
            credential=credential.name,
            now=now,
            header=credential.header,
            env_name=credential.env_name,
        )
        body = shape(self._sink.format, token, request).body
        if self._sink.format == "token":
            del body[-1:]
        return body

    def marks(self, body: bytearray, _credential: CredentialConfig) -> Marks:
        """Return the mark of the file."""
        return marks_of(body)

    def check(self, ours: Marks) -> Marks:
        """Refuse a folder that others can write to, and a file that is not ours."""
        with opened_folder(self._folder) as folder:
            return self._ours(folder.read(self._name), ours)

    def holds(self, ours: Marks) -> bool:
        """Return whether there is a file of ours."""
        return bool(self.check(ours))

    def write(self, body: bytearray, _credential: CredentialConfig, ours: Marks) -> None:
        """Replace the file."""

        def change(found: bytes | None) -> bytearray:
            self._ours(found, ours)
            return body

        with opened_folder(self._folder) as folder:
            folder.edit(self._name, change, self._sink.mode)

    def remove(self, ours: Marks) -> bool:
        """Remove the file."""

        def change(found: bytes | None) -> None:
            self._ours(found, ours)

        with opened_folder(self._folder) as folder:
            folder.edit(self._name, change, self._sink.mode)
        return False

    def _ours(self, found: bytes | None, ours: Marks) -> Marks:
        return claimed(ours, found, not_ours(f'"{self._sink.path}"', "move it away"))
