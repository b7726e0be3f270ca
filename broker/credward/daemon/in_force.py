"""Applies a configuration, and loads the content of the store as soon as it is open.

Knows the order of steps at start, reload and unlock; the steps are elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from credward.config import Config
from credward.config.remedies import remedy_for
from credward.daemon.build_asked import Asked, Process
from credward.daemon.endpoints import Endpoints
from credward.grants.kept import Kept
from credward.issuing.choices import Choices
from credward.issuing.gate import Active
from credward.lifecycle.vocabulary import Plan
from credward.minting.minted import Minted
from credward.minting.minting import needs_store
from credward.minting.waking import secret_allowed
from credward.settings.meaning import upstream_of
from credward.sinks.sinks import Sinks

__all__ = ["Holder", "InForce"]


class Holder(msgspec.Struct):
    """The one reference that a reload replaces."""

    active: Active


class InForce(msgspec.Struct, kw_only=True):
    """The configuration, as the parts need it.

    *load* reads and checks it.
    """

    holder: Holder
    kept: Kept
    minted: Minted
    asked: Asked
    process: Process
    endpoints: Endpoints
    sinks: Sinks
    load: Callable[[], Active]

    def reload(self) -> Config:
        """Apply the current configuration; raise `BrokerError` if it is wrong.

        Everything is read and checked before anything is replaced: an error changes nothing.
        """
        fresh = self.load()
        self.process.audit.reopen()
        before, self.holder.active = self.holder.active, fresh
        self.configure()
        self.process.spawn(self.asked.grants.dropped(before.config))
        self.process.spawn(self.endpoints.follow())
        self.process.spawn(self.sinks.follow())
        return fresh.config

    def choose(self, choices: Choices) -> None:
        """Put these choices in force."""
        self.holder.active = msgspec.structs.replace(self.holder.active, choices=choices)

    def configure(self) -> None:
        """Tell the parts about the configuration."""
        config = self.holder.active.config
        # One for each, and one more for an exchange that was cut off.
        self.kept.journals.spares = 1 + len(
            {each.grant for each in config.credentials.values() if each.meaning.grant.rotating}
        )
        self.minted.driver.configure(self._plans(config))
        secret_allowed(self.minted.driver, self.kept.guard.released(config))
        self.minted.tokens.sweep()
        self.process.notices.configured()

    async def open_store(self) -> None:
        """Open the store if anything needs it; raise `BrokerError` if that fails."""
        config = self.holder.active.config
        try:
            # If nothing needs it yet, nobody is asked for its key.
            if self.kept.opened_store.exists or any(
                needs_store(each) or each.persist for each in config.credentials.values()
            ):
                await self.kept.opened_store.open(config)
            else:
                self.kept.opened_store.not_needed()
        finally:
            self.configure()

    async def store_opened(self) -> None:
        """Load what is there: first journals, then the state of the grants, then tokens."""
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
        # Do not mint without a request if the store may hold a token.
        known = self.kept.opened_store.known
        # A file is demand, as long as it may be written.
        wanted = self.sinks.decide()
        return [
            Plan(
                credential=each.name,
                epoch=each.epoch,
                grant=each.grant,
                rotating=each.meaning.grant.rotating,
                login=bool(each.meaning.grant.logins),
                upstream=upstream_of(each.provider, each.settings) or each.grant,
                remedy=remedy_for(each),
                always=(each.keep == "always" or each.name in wanted)
                and (known or not each.persist),
                least=wanted.get(each.name, 0.0),
                idle_after=each.idle_after,
            )
            for each in config.credentials.values()
        ]
