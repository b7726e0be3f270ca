"""A sink that is a profile of Anthropic's SDKs: one file in `configs`, one in `credentials`.

The folder is the one of `ANTHROPIC_CONFIG_DIR`. What is in the files, and why:
`formats.anthropic_profile`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from credward.config import CredentialConfig, SinkConfig
from credward.formats.anthropic_profile import profile_config, profile_credentials
from credward.sinks.folder import SinkFolder, opened_folder
from credward.sinks.ours import Marks, NotOursError, claimed, marks_of, not_ours
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

    def marks(self, body: bytearray, credential: CredentialConfig) -> Marks:
        """Return the marks of both files."""
        return marks_of(body, _config(credential))

    def check(self, ours: Marks) -> Marks:
        """Refuse a profile of that name of which a file is not ours."""
        found: Marks = ()
        with self._made() as folder:
            for where in (_CONFIGS, _CREDENTIALS):
                with folder.inner(*where) as inner:
                    found += self._ours(inner, inner.read(self._name), ours)
        return found

    def holds(self, ours: Marks) -> bool:
        """Return whether there is a token of ours."""
        found: Marks = ()
        with opened_folder(self._sink.path) as folder:
            for name, _ in (_CONFIGS, _CREDENTIALS):
                with folder.inner(name) as inner:
                    found = self._ours(inner, inner.read(self._name), ours)
        return bool(found)

    def write(self, body: bytearray, credential: CredentialConfig, ours: Marks) -> None:
        """Replace the token; first where to ask with it."""
        config = _config(credential)
        with self._made() as folder:
            with folder.inner(*_CONFIGS) as inner:
                self._edit(
                    inner, lambda found: found if found == config else config, ours, _CONFIG_MODE
                )
            with folder.inner(*_CREDENTIALS) as inner:
                self._edit(inner, lambda _: body, ours)

    def remove(self, ours: Marks) -> bool:
        """Remove both files, the token first."""
        refusal: NotOursError | None = None
        with opened_folder(self._sink.path) as folder:
            for name, _ in (_CREDENTIALS, _CONFIGS):
                try:
                    with suppress(FileNotFoundError), folder.inner(name) as inner:
                        self._edit(inner, lambda _: None, ours)
                except NotOursError as error:
                    # The other one is ours all the same.
                    refusal = error
        if refusal is not None:
            raise refusal
        return False

    def _edit(
        self,
        inner: SinkFolder,
        wanted: Callable[[bytes | None], bytes | bytearray | None],
        ours: Marks,
        mode: int = _MODE,
    ) -> None:
        def change(found: bytes | None) -> bytes | bytearray | None:
            self._ours(inner, found, ours)
            return wanted(found)

        inner.edit(self._name, change, mode)

    def _ours(self, inner: SinkFolder, found: bytes | None, ours: Marks) -> Marks:
        remedy = "move it away, or give the sink another profile"
        return claimed(ours, found, not_ours(f'"{inner.path / self._name}"', remedy))

    @contextmanager
    def _made(self) -> Iterator[SinkFolder]:
        path = self._sink.path
        with opened_folder(path.parent) as above, above.inner(path.name, 0o755) as folder:
            yield folder


def _config(credential: CredentialConfig) -> bytes:
    return profile_config(next(iter(credential.base_urls), None))
