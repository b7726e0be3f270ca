"""All files that are kept fresh: followed as the configuration, tokens, locks and time change.

Wakes sinks and nothing more: `kept_sink` does what is to be done with one, `state` decides it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from credward.administering.sink_views import SinkView
from credward.clock import Clock
from credward.config import CredentialConfig, SinkConfig
from credward.errors import Failure
from credward.minting.driver import Wakeups
from credward.sinks.asking import SinkAsking, least_remaining
from credward.sinks.kept_sink import KeptSink
from credward.sinks.places import Place, Places
from credward.sinks.record import SinkRecord
from credward.sinks.state import Written

__all__ = ["Sinks"]

_log = logging.getLogger(__name__)

# How long an owner waits for files to go (seconds).
_MOMENT = 2.0

_Run = Callable[[SinkConfig], Coroutine[Any, Any, None]]


class _Decision(msgspec.Struct, frozen=True):
    """Why a sink is denied, under which policy, for which credential."""

    policy: str
    credential: CredentialConfig
    denied: Failure | None


class _Busy(msgspec.Struct):
    """Work of which one runs at a time; *again*: there is more to do than it saw."""

    running: bool = False
    again: bool = False


class Sinks:
    """*run* runs the program of a sink and never raises; *record* is what earlier runs wrote."""

    def __init__(
        self,
        *,
        clock: Clock,
        asking: SinkAsking,
        record: SinkRecord,
        policy_epoch: Callable[[], str],
        run: _Run,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        wakeups: Wakeups,
    ) -> None:
        self._clock = clock
        self._asking = asking
        self._places = Places(record)
        self._policy_epoch = policy_epoch
        self._run = run
        self._spawn = spawn
        self._wakeups = wakeups
        self._decisions: dict[SinkConfig, _Decision] = {}
        self._kept: dict[Place, KeptSink] = {}
        self._work: dict[Place, _Busy] = {}
        self._programs: dict[Place, _Busy] = {}
        # Of the same path only one is at work: they may be parts of one file.
        self._turns: dict[str, asyncio.Lock] = {}
        self._following = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()
        wakeups.watch(self._wake_all)
        wakeups.set(math.inf)

    # --- what happens ------------------------------------------------------------------------

    def decide(self) -> dict[str, float]:
        """Decide which sinks may be; return the life that they want of each credential (seconds).

        A denial is recorded once for a policy.
        """
        wanted: dict[str, float] = {}
        decisions: dict[SinkConfig, _Decision] = {}
        epoch = self._policy_epoch()
        for sink in self._asking.config.sinks:
            key, credential = _key(sink), self._asking.config.credentials[sink.credential]
            known = self._decisions.get(key)
            if known is None or (known.policy, known.credential) != (epoch, credential):
                known = _Decision(epoch, credential, self._asking.decide(sink))
            decisions[key] = known
            if known.denied is None:
                least = max(wanted.get(sink.credential, 0.0), least_remaining(sink))
                wanted[sink.credential] = least
        self._decisions = decisions
        return wanted

    async def follow(self) -> None:
        """Keep what the configuration in force says, and remove what it does not."""
        async with self._following:
            await self._places.load()
            wanted = {each.place: _key(each) for each in self._asking.config.sinks}
            self._remove_others(wanted)
            for place, sink in wanted.items():
                kept = self._kept.get(place)
                if kept is None or kept.config != sink:
                    written = self._places.written(sink) if kept is None else kept.written
                    self._kept[place] = kept = self._keep(sink, written)
                decision = self._decisions.get(sink)
                kept.denied = None if decision is None else decision.denied
                kept.look_again()
            self._kept = {place: self._kept[place] for place in wanted}
        self._wake_all()

    def changed(self, credential: str) -> None:
        """Note that a token of *credential* came, went, or could not be minted."""
        for kept in self._kept.values():
            if credential in kept.names:
                kept.notice()
                self._wake(kept)

    def withdrawn(self, credential: str) -> None:
        """Note that no earlier token of *credential* may be used."""
        for kept in self._kept.values():
            if credential in kept.names:
                kept.withdraw()
                self._wake(kept)

    async def settled(self) -> None:
        """Wait until all is done that is known now: a moment, for a disk may hang."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_MOMENT):
                await self._idle.wait()

    def close(self) -> None:
        """Stop; the files stay, for the next daemon."""
        self._wakeups.close()

    def views(self) -> list[SinkView]:
        """Return the state of each, in the order of the configuration."""
        return [_view(each) for each in self._kept.values()]

    # --- the work ----------------------------------------------------------------------------

    def _remove_others(self, wanted: dict[Place, SinkConfig]) -> None:
        """Remove what is at a place that is not wanted, or is written there in another format."""
        for place, entry in self._places.entries():
            sink = wanted.get(place)
            if sink is not None and sink.format == entry.format:
                continue
            gone = self._kept.pop(place, None) or self._keep(entry.sink, entry.written)
            # Not waited for: a disk that hangs delays no other sink.
            self._spawn(self._remove(gone))

    async def _remove(self, gone: KeptSink) -> None:
        async with self._turn(gone.config.place):
            if not await gone.remove():
                _log.error("%s stays until the next reload or start", gone.config.name)

    def _keep(self, sink: SinkConfig, written: Written | None) -> KeptSink:
        return KeptSink(
            sink,
            clock=self._clock,
            asking=self._asking,
            places=self._places,
            written=written,
            rewritten=self._rewritten,
        )

    def _wake_all(self) -> None:
        for kept in self._kept.values():
            self._wake(kept)

    def _wake(self, kept: KeptSink) -> None:
        busy = self._work.setdefault(kept.config.place, _Busy())
        busy.again = True
        if not busy.running:
            busy.running = True
            self._idle.clear()
            self._spawn(self._settle(kept.config.place, busy))

    async def _settle(self, place: Place, busy: _Busy) -> None:
        try:
            while busy.again:
                busy.again = False
                async with self._turn(place):
                    if (kept := self._kept.get(place)) is None:
                        return
                    await kept.settle()
                    if place not in self._kept:
                        # It was taken out of the configuration meanwhile.
                        await kept.remove()
        finally:
            busy.running = False
            if not any(each.running for each in self._work.values()):
                self._idle.set()
        self._set_wakeup()

    def _turn(self, place: Place) -> asyncio.Lock:
        return self._turns.setdefault(place[0], asyncio.Lock())

    def _set_wakeup(self) -> None:
        at = min((each.wake_at for each in self._kept.values()), default=math.inf)
        self._wakeups.set(at - self._clock.now())

    def _rewritten(self, sink: SinkConfig) -> None:
        if not sink.on_change:
            return
        busy = self._programs.setdefault(sink.place, _Busy())
        busy.again = True
        if not busy.running:
            busy.running = True
            self._spawn(self._run_program(sink, busy))

    async def _run_program(self, sink: SinkConfig, busy: _Busy) -> None:
        try:
            while busy.again:
                busy.again = False
                await self._run(sink)
        finally:
            busy.running = False


def _key(sink: SinkConfig) -> SinkConfig:
    """Return *sink* without its line, which other changes of the file move."""
    return msgspec.structs.replace(sink, origin="")


def _view(kept: KeptSink) -> SinkView:
    written = kept.written
    return SinkView(
        sink=kept.config,
        state=kept.state.value,
        token_id=None if written is None else written.token_id or None,
        written_at=None if written is None else written.at or None,
        ends_at=None if written is None or math.isinf(written.ends_at) else written.ends_at,
        failure=None if kept.state.value == "fresh" else kept.reason,
    )
