"""Keeps what each stored secret is bound to, and allows no other use before its owner does.

Decides before a worker gets the secret; `secret_binding` knows what a binding means,
`store_service` who may widen one.
"""

from __future__ import annotations

import msgspec

from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Failure, Kind
from credward.grants.records import GrantRecords
from credward.grants.secret_binding import Binding, judge, use_of, ways_into

__all__ = ["SecretGuard"]

_PREFIX = "binding:"


class SecretGuard:
    """The bindings of one store."""

    def __init__(self, records: GrantRecords) -> None:
        self._records = records
        self._refused: set[str] = set()
        # By secret, the number of the last change of its binding that must be on disk.
        self._changes: dict[str, int] = {}

    async def admit(self, config: Config, credential: CredentialConfig, secret: str) -> None:
        """Allow *secret* for *credential*, or raise `fix-configuration`.

        The new binding is durable when this returns. Nothing is awaited between the check and the
        change.
        """
        before = self.binding(secret)
        found = judge(before, secret, use_of(config, credential, secret))
        if isinstance(found, str):
            self._refused.add(credential.name)
            raise BrokerError(Kind.FIX_CONFIGURATION, found)
        if found != before:
            self._put(secret, found)
        written = self._records.saved >= self._changes.get(secret, 0)
        if not written and not await self._records.save():
            unwritten = Failure.of(Kind.INTERNAL, "the store cannot be written")
            raise (self._records.failure or unwritten).error()

    def refusal(self, config: Config, credential: CredentialConfig) -> Failure | None:
        """Return why a mint of *credential* would be refused, None if no reason is known."""
        if self._records.locked:
            return None
        for secret in {secret for secret, _ in ways_into(config, credential)}:
            found = judge(self.binding(secret), secret, use_of(config, credential, secret))
            if isinstance(found, str):
                return Failure.of(Kind.FIX_CONFIGURATION, found)
        return None

    def released(self, config: Config) -> list[CredentialConfig]:
        """Return the credentials that were refused and would be allowed now; each once."""
        found = [
            each
            for each in config.credentials.values()
            if each.name in self._refused and self.refusal(config, each) is None
        ]
        self._refused.difference_update(each.name for each in found)
        return found

    def allow(
        self, config: Config, secret: str, users: list[CredentialConfig]
    ) -> tuple[Binding, list[CredentialConfig]]:
        """Bind *secret* to what *users* use it for under *config*; durable with the next save.

        Return that use, and the credentials that it `released`.
        """
        binding = Binding(uses=tuple(use_of(config, each, secret) for each in users))
        self._put(secret, binding)
        return binding, self.released(config)

    def forget(self, secret: str) -> None:
        """Start again for a new value of this name, or none."""
        self._records.delete_raw(_PREFIX + secret)

    def binding(self, secret: str) -> Binding | None:
        """Return the binding of *secret*, None before its first use; raise `store-locked`."""
        plain = self._records.load_raw(_PREFIX + secret)
        return None if plain is None else msgspec.json.decode(plain, type=Binding)

    def _put(self, secret: str, binding: Binding) -> None:
        self._records.put_raw(_PREFIX + secret, bytearray(msgspec.json.encode(binding)))
        self._changes[secret] = self._records.changes
