"""A sink that is a whole file: format `token`, `env` or `json`.

As the formats of the same name at the socket, but `token` has no line end: SDKs of AWS send a token
file as it is, and refuse one (`AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`); others strip it.
"""

from __future__ import annotations

from credward.config import CredentialConfig, SinkConfig
from credward.errors import BrokerError, Kind
from credward.formats.registry import ShapeRequest, shape
from credward.sinks.folder import opened_folder
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

    def check(self, *, ours: bool) -> None:
        """Refuse a folder that others can write to, and a file that somebody else made."""
        if self.there() and not ours:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{self._sink.path}" is there and was not written by credward: move it away, '
                "then run credward daemon reload",
            )

    def there(self) -> bool:
        """Return whether there is a file."""
        with opened_folder(self._folder) as folder:
            return folder.stamp(self._name) is not None

    def write(self, body: bytearray, _credential: CredentialConfig) -> None:
        """Replace the file."""
        with opened_folder(self._folder) as folder:
            folder.replace(self._name, body, self._sink.mode)

    def remove(self) -> None:
        """Remove the file."""
        with opened_folder(self._folder) as folder:
            folder.remove(self._name)
