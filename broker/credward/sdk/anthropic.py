"""What `Anthropic(credentials=…)` and `AsyncAnthropic(credentials=…)` take.

Source: anthropic 2.11.0, `lib/credentials`. The SDK keeps a token until two minutes before its end,
runs a plain callable of an async client in a thread, asks with `force_refresh` after a 401, and
tells its base URL.
"""

from __future__ import annotations

from anthropic import CredentialsError
from anthropic.lib.credentials import AccessToken
from msgspec.structs import replace

from credward.errors import BrokerError
from credward.sdk.asking import Wanted, ask

__all__ = ["Credentials"]

# Two minutes before the end the SDK begins to ask again; a minute more, to be asked less (seconds).
_LIFE = 180.0


class Credentials:
    """Call it for a token. Safe in threads and after a fork; it keeps only the id of the last one.

    A call raises `anthropic.CredentialsError` with our line; its cause is the `BrokerError`.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._last_id: str | None = None

    def __call__(self, *, force_refresh: bool = False) -> AccessToken:
        """Return a token; *force_refresh*: the last one was refused."""
        try:
            given = ask(
                self._wanted,
                min_remaining=_LIFE,
                other_than=self._last_id if force_refresh else None,
            )
            token = given.text()
        except BrokerError as error:
            raise CredentialsError(error.message) from error
        self._last_id = given.token_id
        return AccessToken(token=token, expires_at=int(given.ends_at))

    def for_base_url(self, base_url: str) -> Credentials:
        """Return the same for a client that sends tokens to *base_url*."""
        return Credentials(replace(self._wanted, base_url=base_url))

    def __repr__(self) -> str:
        return self._wanted.described("credentials")
