"""The files that are kept fresh. Only constructs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from credward.callers.own import OwnPeer
from credward.clock import Clock
from credward.daemon.build_asked import Asked
from credward.daemon.build_kept import Place
from credward.daemon.sink_program import sink_program
from credward.daemon.wakeups import open_wakeups
from credward.issuing.gate import Holder
from credward.minting.driver import Driver
from credward.sinks.asking import DOOR, SinkAsking
from credward.sinks.record import SinkRecord
from credward.sinks.sinks import Sinks

__all__ = ["build_sinks"]


def build_sinks(
    clock: Clock,
    place: Place,
    holder: Holder,
    asked: Asked,
    driver: Driver,
    spawn: Callable[[Coroutine[Any, Any, None]], object],
) -> Sinks:
    """Return the sinks of the configuration in force; nothing is written yet."""
    return Sinks(
        clock=clock,
        asking=SinkAsking(peer=OwnPeer(DOOR), gate=asked.gate, issuer=asked.issuer, driver=driver),
        record=SinkRecord(place.state_dir / "sinks.json"),
        policy_epoch=lambda: holder.active.policy.epoch,
        run=sink_program(place.environ),
        spawn=spawn,
        wakeups=open_wakeups(asyncio.get_running_loop()),
    )
