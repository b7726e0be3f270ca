"""Credentials of google-auth that come from the daemon.

Source: google-auth 2.62.2. It renews 3 min 45 s before the end; `google.auth.aio` takes the same
ones and renews them in a thread.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.auth.credentials import Credentials as _Credentials
from google.auth.exceptions import RefreshError

from credward.errors import BrokerError, Recovery
from credward.sdk.asking import Wanted, ask

__all__ = ["Credentials"]

# The window of google-auth, and a minute (seconds).
_LIFE = 285.0


class Credentials(_Credentials):
    """A bearer token that google-auth keeps and renews here.

    To renew raises `RefreshError` with our line; its cause is the `BrokerError`.
    """

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._wanted = wanted

    def refresh(self, request: Any) -> None:
        """Get a token; *request* is not used, because the daemon's workers ask the server.

        Sessions renew after a 401 too, but so does who only wants a token: it is no report.
        """
        del request
        try:
            given = ask(self._wanted, min_remaining=_LIFE)
            token = given.text()
        except BrokerError as error:
            again = error.failure.recovery is Recovery.RETRY
            raise RefreshError(error.message, retryable=again) from error
        # google-auth compares with a time in UTC that has no zone.
        self.expiry = datetime.fromtimestamp(given.ends_at, UTC).replace(tzinfo=None)
        self.token = token

    def __repr__(self) -> str:
        return self._wanted.described("google_credentials")
