"""A sink that is a profile of Anthropic's SDKs: one file in `configs`, one in `credentials`.

The folder is the one of `ANTHROPIC_CONFIG_DIR`. What is in the files, and why:
`formats.anthropic_profile`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from credward.config import CredentialConfig, SinkConfig
from credward.errors import BrokerError, Kind
from credward.formats.anthropic_profile import profile_config, profile_credentials
from credward.sinks.folder import SinkFolder, opened_folder
from credward.tokens import Token

__all__ = ["AnthropicProfile"]

# What the SDK for Python demands: nobody else writes a configuration, nobody else reads a token.
_CONFIGS, _CONFIG_MODE = ("configs", 0o755), 0o644
_CREDENTIALS, _MODE = ("credentials", 0o700), 0o600


class AnthropicProfile:
    """The profile of *sink* in the folder at its path, which is made if it is not there."""

    def __init__(self, sink: SinkConfig) -> None:
        self._sink = sink
        self._name = f"{sink.profile}.json"

    def shaped(self, token: Token, credential: CredentialConfig, _now: float) -> bytearray:
        """Return the file with the token."""
        return profile_credentials(token, credential.name)

    def check(self, *, ours: bool) -> None:
        """Refuse a profile of that name that somebody else made."""
        with self._made() as folder:
            for where in (_CONFIGS, _CREDENTIALS):
                with folder.inner(*where) as inner:
                    if inner.stamp(self._name) is not None and not ours:
                        raise BrokerError(
                            Kind.FIX_CONFIGURATION,
                            f'"{inner.path / self._name}" is there and was not written by '
                            "credward: give the sink another profile, or move the file away, then "
                            "run credward daemon reload",
                        )

    def there(self) -> bool:
        """Return whether there is a token."""
        with opened_folder(self._sink.path) as folder, folder.inner(_CREDENTIALS[0]) as inner:
            return inner.stamp(self._name) is not None

    def write(self, body: bytearray, credential: CredentialConfig) -> None:
        """Replace the token; first where to ask with it."""
        config = profile_config(next(iter(credential.base_urls), None))
        with self._made() as folder:
            with folder.inner(*_CONFIGS) as inner:
                if inner.read(self._name) != config:
                    inner.replace(self._name, config, _CONFIG_MODE)
            with folder.inner(*_CREDENTIALS) as inner:
                inner.replace(self._name, body, _MODE)

    def remove(self) -> None:
        """Remove both files, the token first."""
        with opened_folder(self._sink.path) as folder:
            for name, _ in (_CREDENTIALS, _CONFIGS):
                with suppress(FileNotFoundError), folder.inner(name) as inner:
                    inner.remove(self._name)

    @contextmanager
    def _made(self) -> Iterator[SinkFolder]:
        path = self._sink.path
        with opened_folder(path.parent) as above, above.inner(path.name, 0o755) as folder:
            yield folder
