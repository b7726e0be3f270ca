"""One use of a rotating grant, seen from the worker: the open window, and the new grant, sealed.

Opens the window before the first request leaves, and makes a new grant durable before anybody hears
of it; the daemon decides what happens after a crash.
"""

from __future__ import annotations

import base64
import signal
from collections.abc import Callable

from credward.errors import BrokerError, Kind
from credward.providers.provider import Grant, HttpRequest
from credward.store.journal import GrantFields, Journal, Lease, SealedGrant, seal_grant
from credward.workers.link import Rotated, Rotation

__all__ = ["Exchange", "seal"]

# An exchange may outlive the daemon, but never this (seconds).
_DEADLINE = 90


class Exchange:
    """The lease of one grant; *elapsed* is a clock that only goes forward, in seconds."""

    def __init__(
        self, rotation: Rotation, journal: Journal | None, elapsed: Callable[[], float]
    ) -> None:
        self._lease = Lease(
            mint=rotation.mint,
            grant=rotation.grant,
            family=rotation.family,
            generation=rotation.generation,
            rotation_retry=rotation.rotation_retry,
        )
        self._key = base64.b64decode(rotation.key.reveal())
        self._journal = journal
        self._elapsed = elapsed
        self._opened: float | None = None
        self._sealed: SealedGrant | None = None
        self._durable = False
        self._window = 0.0
        # The daemon may be gone and cannot end what hangs. So this limits the steps before the
        # exchange and then, counted again, the exchange.
        signal.alarm(_DEADLINE)

    def before(self, http_request: HttpRequest) -> None:
        """Open the window before the first request that may use the grant up."""
        if self._opened is not None or http_request.method == "GET":
            return
        if self._journal is None:
            raise self._unwritable("is missing")
        try:
            self._journal.open_window(self._lease)
        except OSError as error:
            raise self._unwritable(f"cannot be written ({error.strerror})") from error
        self._opened = self._elapsed()
        signal.alarm(_DEADLINE)

    def keep(self, grant: Grant) -> None:
        """Seal a new grant into the journal; if that fails the answer still carries it."""
        self._sealed = seal(grant, self._lease, self._key)
        if self._journal is not None:
            try:
                self._journal.keep(self._sealed)
                self._durable = True
            except OSError:
                self._durable = False
        if self._opened is not None:
            self._window = self._elapsed() - self._opened

    def close(self) -> None:
        """End the worker's own deadline."""
        signal.alarm(0)

    @property
    def opened(self) -> bool:
        """Whether a request may have used the grant."""
        return self._opened is not None

    @property
    def rotated(self) -> Rotated | None:
        """What the daemon hears about the new grant."""
        if self._sealed is None:
            return None
        return Rotated(sealed=self._sealed.sealed, durable=self._durable, window=self._window)

    def _unwritable(self, problem: str) -> BrokerError:
        return BrokerError(
            Kind.INTERNAL,
            f'"{self._lease.grant}" is not renewed, its rotation journal {problem}: '
            "make room in the state directory; retrying by itself",
            sent="no",
        )


def seal(grant: Grant, lease: Lease, key: bytes) -> SealedGrant:
    """Return *grant* sealed for the daemon."""
    fields = GrantFields(secret=grant.secret.reveal(), account=grant.account, ends_at=grant.ends_at)
    return seal_grant(lease, key, fields)
