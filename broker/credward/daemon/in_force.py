"""Puts a configuration into force, and takes up what the store holds as soon as it is open.

Knows the order of things at the start, at a reload and at an unlock; each of them is elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from credward.config import Config, CredentialConfig
from credward.daemon.build_asked import Asked, Process
from credward.grants.kept import Kept
from credward.issuing.gate import Active
from credward.lifecycle.vocabulary import Plan
from credward.minting.minted import Minted
from credward.minting.minting import needs_store
from credward.minting.waking import secret_allowed
from credward.settings.meaning import upstream_of
from credward.settings.references import Reference

__all__ = ["Holder", "InForce"]


class Holder(msgspec.Struct):
    """The one reference that a reload replaces."""

    active: Active


class InForce(msgspec.Struct, kw_only=True):
    """What is configured, as the parts need it.

    *load* reads and checks it. *restored*: the store was opened, or cannot be.
    """

    holder: Holder
    kept: Kept
    minted: Minted
    asked: Asked
    process: Process
    load: Callable[[], Active]
    restored: bool = False

    def reload(self) -> Config:
        """Put what is configured now into force; raise `BrokerError` where it is wrong.

        Everything is read and checked before anything is replaced: an error leaves all as it was.
        """
        fresh = self.load()
        self.process.audit.reopen()
        before, self.holder.active = self.holder.active, fresh
        self.configure()
        self.process.spawn(self.asked.grants.dropped(before.config))
        return fresh.config

    def configure(self) -> None:
        """Tell the parts what is configured now."""
        config = self.holder.active.config
        # One for each, and one for an exchange that was cut off besides.
        self.kept.journals.spares = 1 + len(
            {each.grant for each in config.credentials.values() if each.meaning.grant.rotating}
        )
        self.minted.driver.configure(self._plans(config))
        secret_allowed(self.minted.driver, self.kept.guard.released(config))
        self.minted.tokens.sweep()
        self.process.notices.configured()

    async def open_store(self) -> None:
        """Open the store where anything needs it; raise `BrokerError` where it does not open."""
        config = self.holder.active.config
        try:
            # Where nothing needs it yet, nobody is asked for its key.
            if self.kept.opened_store.exists or any(
                needs_store(each) or each.persist for each in config.credentials.values()
            ):
                await self.kept.opened_store.open(config)
        finally:
            self.restored = True
            self.configure()

    async def store_opened(self) -> None:
        """Take up what is there: journals first, then the state of the grants, then tokens."""
        self.asked.idle_lock.touch()
        await self.kept.journal_replay.begin()
        await self.kept.keeper.unlocked(recovered=self.kept.opened_store.recovered)
        config = self.holder.active.config
        waiting = {each.grant for each in config.credentials.values() if needs_store(each)}
        for grant in waiting:
            if (failure := self.kept.keeper.parked(grant)) is not None:
                self.minted.driver.grant_parked(grant, failure)
        self.minted.driver.store_opened()
        self.minted.driver.restore()

    def _plans(self, config: Config) -> list[Plan]:
        return [
            Plan(
                credential=each.name,
                epoch=each.epoch,
                grant=each.grant,
                rotating=each.meaning.grant.rotating,
                login=bool(each.meaning.grant.logins),
                upstream=upstream_of(each.provider, each.settings) or each.grant,
                remedy=_remedy(each),
                # Nothing is minted unasked of which a token may lie in the store.
                always=each.keep == "always" and (self.restored or not each.persist),
                idle_after=each.idle_after,
            )
            for each in config.credentials.values()
        ]


def _remedy(credential: CredentialConfig) -> str:
    """Return what to do where the secret that is handed out is refused, "" where none is."""
    again = f"run credward refresh {credential.name}"
    match credential.meaning.handed_out:
        case None:
            return ""
        case Reference(store=str(name)):
            return f"run credward secret set {name}"
        case Reference(file=str(path)):
            return f"put another one into {path}"
        case Reference(env=str(name)):
            return f"set {name} to another one, then start credward serve again"
        case reference:
            return f"replace it ({reference.describe()}), then {again}"
