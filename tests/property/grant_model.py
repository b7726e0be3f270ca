"""The grants against an independent model: promises checked on any history of events.

The model knows which refresh tokens the server gave and which of them it has seen, and what the
daemon was told; it asks the keeper for nothing but the grant that is there now.
"""

from __future__ import annotations

import asyncio
import contextlib
import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from credward.errors import Failure, Kind
from credward.workers.link import MintedToken
from examples import examples
from fakes.grant_world import GRANTS, Chain, Deed, Flight, World

grants = st.sampled_from(GRANTS)
deeds = st.sampled_from(["rotate"] * 4 + ["keep", "busy", "cut", "lost"])
mostly = st.sampled_from([True, True, True, False])


class GrantModel(RuleBasedStateMachine):
    """Logins, mints, locks, kills and disks in any order."""

    @initialize(rotation_retry=st.booleans(), given=st.sampled_from(["ab", "ab", "a", ""]))
    def begin(self, rotation_retry: bool, given: str) -> None:
        self.world = World(rotation_retry=rotation_retry)
        self.world.begin()
        # What may be found after a kill, the oldest first: the last one is in force.
        self.perhaps: dict[str, list[Chain | None]] = {grant: [None] for grant in GRANTS}
        self.resolved = dict.fromkeys(GRANTS, True)
        self.changes: list[tuple[str, Chain | None, asyncio.Task[bool]]] = []
        self.mints: list[asyncio.Task[MintedToken | Failure]] = []
        self.released: dict[str, int] = {}
        for grant in given:
            self.log_in_to(grant)

    # --- people -----------------------------------------------------------------------------

    # Hypothesis leaves some rules out of each history: so each one goes all the way by itself.

    @precondition(lambda self: not self.world.locked)
    @rule(grant=grants)
    def log_in(self, grant: str) -> None:
        self.log_in_to(grant)

    def log_in_to(self, grant: str) -> None:
        chain, task = self.world.log_in(grant)
        self.perhaps[grant].append(chain)
        self.changes.append((grant, chain, task))

    @precondition(lambda self: not self.world.locked)
    @rule(grant=grants)
    def log_out(self, grant: str) -> None:
        self.perhaps[grant].append(None)
        task = self.world.start(self.world.life.keeper.give_up(grant))
        self.changes.append((grant, None, task))

    @rule()
    def lock_or_unlock(self) -> None:
        if self.world.locked:
            self.world.unlock()
        else:
            self.world.lock()

    @precondition(lambda self: self.may_mint())
    @rule(deed=deeds, durable=mostly, steps=st.integers(0, 4))
    def mint(self, deed: Deed, durable: bool, steps: int) -> None:
        self.mint_on("a", deed, durable, steps)

    @precondition(lambda self: self.may_mint())
    @rule(deed=deeds, durable=mostly, steps=st.integers(0, 4))
    def mint_beside(self, deed: Deed, durable: bool, steps: int) -> None:
        self.mint_on("a2", deed, durable, steps)

    @precondition(lambda self: self.may_mint())
    @rule(deed=deeds, durable=mostly, steps=st.integers(0, 4))
    def mint_elsewhere(self, deed: Deed, durable: bool, steps: int) -> None:
        self.mint_on("b", deed, durable, steps)

    def may_mint(self) -> bool:
        return sum(not each.done() for each in self.mints) < 4

    def mint_on(self, credential: str, deed: Deed, durable: bool, steps: int) -> None:
        before = len(self.world.flights)
        self.mints.append(self.world.mint(credential))
        for flight in self.world.flights[before:]:
            self.go_on_with(flight, deed, durable, steps)

    # --- machines ---------------------------------------------------------------------------

    @precondition(lambda self: self.moving())
    @rule(
        data=st.data(),
        deed=deeds,
        durable=mostly,
        steps=st.integers(1, 4),
    )
    def go_on(self, data: st.DataObject, deed: Deed, durable: bool, steps: int) -> None:
        self.go_on_with(data.draw(st.sampled_from(self.moving())), deed, durable, steps)

    def go_on_with(self, flight: Flight, deed: Deed, durable: bool, steps: int) -> None:
        for _ in range(steps):
            if flight in self.moving():
                self.world.step(flight, deed, durable=durable)

    @precondition(lambda self: self.moving())
    @rule(data=st.data())
    def kill_worker(self, data: st.DataObject) -> None:
        self.world.kill_worker(data.draw(st.sampled_from(self.moving())))

    @rule()
    def kill_daemon(self) -> None:
        self.world.kill()
        self.changes.clear()
        self.mints.clear()
        self.resolved = dict.fromkeys(GRANTS, False)
        self.world.begin()

    @rule(disk=st.sampled_from(["quick", "before", "after"]))
    def disk_becomes(self, disk: str) -> None:
        self.world.disk = disk
        while disk == "quick" and self.world.life.waits:
            self.world.disk_answers()

    @rule()
    def disk_fills_or_empties(self) -> None:
        self.world.full = not self.world.full

    @precondition(lambda self: self.world.life.waits)
    @rule()
    def disk_answers(self) -> None:
        self.world.disk_answers()

    @precondition(lambda self: self.world.life.records.unsaved)
    @rule()
    def save_again(self) -> None:
        self.world.start(self.world.life.records.save())

    # --- promises ---------------------------------------------------------------------------

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "world"):
            return
        self.world.go_on()
        self.note_changes()
        for grant in GRANTS:
            if not self.world.locked:
                self.check(grant)
        self.note_tokens()

    def check(self, grant: str) -> None:
        record = self.world.record(grant)
        secret = record.secret if record is not None else None
        chain = self.world.chain_of(secret) if secret is not None else None
        if not self.resolved[grant]:
            if self.at_work():
                return
            assert chain in self.perhaps[grant], "a grant that was given up or replaced came back"
            self.perhaps[grant] = [chain]
            self.resolved[grant] = True
        assert chain is self.perhaps[grant][-1], "not the grant that was given last"
        if chain is None or record is None or secret is None:
            return
        place = chain.secrets.index(secret)
        if self.at_work() or any(each.grant == grant for each in self.moving()):
            return
        assert place >= self.released.get(chain.secrets[0], 0), "the grant of a released token lost"
        if secret != chain.newest:
            known = self.world.known[secret]
            assert not known.spent, "the newest grant was lost from the disk"
            assert known.spent_in is None or record.parked is not None, "the newest grant was lost"
            doubted = record.ambiguous_at is not None or record.parked is not None
            assert doubted, "a grant that may be used up passes for good"

    def note_changes(self) -> None:
        for grant, chain, task in list(self.changes):
            if task.done():
                self.changes.remove((grant, chain, task))
                perhaps = self.perhaps[grant]
                if task.result() and chain in perhaps:
                    # Of several logouts any may be the one: the first is the least that holds.
                    del perhaps[: perhaps.index(chain)]

    def note_tokens(self) -> None:
        for task in [each for each in self.mints if each.done()]:
            self.mints.remove(task)
            outcome = task.result()
            if isinstance(outcome, Failure):
                continue
            chain = self.world.chain_of(outcome.token_id)
            first = chain.secrets[0]
            place = chain.secrets.index(outcome.token_id)
            self.released[first] = max(place, self.released.get(first, 0))
            if self.resolved[chain.grant]:
                assert chain is self.perhaps[chain.grant][-1], "a token of a grant that is gone"

    # --- help -------------------------------------------------------------------------------

    def at_work(self) -> bool:
        """Whether the daemon is in the middle of something that is not a mint."""
        life = self.world.life
        return bool(life.waits) or bool(life.keeper._unread and self.world.locked)

    def moving(self) -> list[Flight]:
        """Return the workers that can go on."""
        return [
            each
            for each in self.world.flights
            if each.stage != "over"
            and (each.life.dead or (each.told is not None and not each.told.done()))
        ]

    def settle_down(self) -> None:
        for _ in range(200):
            self.world.go_on()
            if self.world.life.waits:
                self.world.disk_answers()
            elif moving := self.moving():
                self.world.step(moving[0])
            else:
                break
            self.holds()
        assert not self.moving()

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        with contextlib.ExitStack() as after:
            after.callback(self.world.end)
            self.world.disk, self.world.full = "quick", False
            self.settle_down()
            if self.world.locked:
                self.world.unlock()
            self.world.start(self.world.life.records.save())
            self.settle_down()
            self.holds()
            assert self.mints == [], "somebody was never answered"
            self.check_journals()
            for grant in GRANTS:
                self.check_heals(grant)

    def check_journals(self) -> None:
        """Find nothing left in a journal once the store has all."""
        journals = (self.world.folder / "state" / "journals").glob("*.journal")
        assert [each for each in journals if each.read_bytes().strip(b"\0")] == []

    def check_heals(self, grant: str) -> None:
        """Get a token, or be sent to a login, whatever was before."""
        task = self.world.mint(grant)
        self.settle_down()
        outcome = task.result()
        self.holds()
        if isinstance(outcome, Failure):
            assert outcome.kind is Kind.LOGIN_REQUIRED
            record = self.world.record(grant)
            assert record is None or record.parked is not None
        else:
            assert outcome.token_id == self.perhaps[grant][-1].newest  # type: ignore[union-attr]


def main() -> None:
    """Play histories; the exit code is that of the worst."""
    # A nightly run sets CREDWARD_REQUIRE_THOROUGH=1.
    thorough = bool(os.environ.get("CREDWARD_REQUIRE_THOROUGH"))
    run_state_machine_as_test(
        GrantModel,
        settings=settings(
            max_examples=2000 if thorough else examples(250),
            stateful_step_count=60,
            deadline=None,
            database=None,
            # The same histories each time; the nightly run looks for others.
            derandomize=not thorough,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )


if __name__ == "__main__":
    main()
