"""The lifecycle alone: what one event costs when there are few credentials, and many."""

from __future__ import annotations

import time

from credward.lifecycle.machine import Lifecycle
from credward.lifecycle.vocabulary import (
    Asked,
    Configured,
    Minted,
    Plan,
    Serve,
    StartMint,
    TokenKey,
    Woke,
)

_LIFE = 3600.0


def measure(credentials: int) -> dict[str, float]:
    """Return microseconds: per ask, per wake-up with nothing due, per refresh in a cycle."""
    machine, keys = Lifecycle(), [TokenKey(f"c{number}", "e") for number in range(credentials)]
    plans = tuple(
        Plan(credential=key.credential, epoch="e", grant=key.credential, always=True)
        for key in keys
    )
    began = time.perf_counter()
    machine.handle(Configured(plans=plans), 0.0)
    _land(machine, list(machine.handle(Woke(), 0.0)), 0.0)
    filled = time.perf_counter() - began
    return {
        "fill": filled / credentials * 1e6,
        "ask": _ask(machine, keys, 1.0),
        "wake": _wake(machine, 1.0),
        "refresh": _refresh_all(machine, credentials),
    }


def _land(machine: Lifecycle, commands: list[object], now: float) -> int:
    """Have every mint that was started end well; return how many there were."""
    landed = 0
    while commands:
        command = commands.pop()
        if isinstance(command, StartMint):
            landed += 1
            commands += machine.handle(
                Minted(
                    key=command.key,
                    flight=command.flight,
                    token_id=f"{command.key.credential}-{command.flight}",
                    issued_at=now,
                    expires_at=now + _LIFE,
                    jitter=(hash(command.key.credential) % 1000) / 1000,
                ),
                now,
            )
    return landed


def _ask(machine: Lifecycle, keys: list[TokenKey], now: float) -> float:
    rounds = 5000
    began = time.perf_counter()
    for number in range(rounds):
        commands = machine.handle(Asked(key=keys[number % len(keys)], waiter=number), now)
        assert isinstance(commands[0], Serve)
        machine.wake_at()
    return (time.perf_counter() - began) / rounds * 1e6


def _wake(machine: Lifecycle, now: float) -> float:
    rounds = 200
    began = time.perf_counter()
    for _ in range(rounds):
        machine.handle(Woke(), now)
        machine.wake_at()
    return (time.perf_counter() - began) / rounds * 1e6


def _refresh_all(machine: Lifecycle, credentials: int) -> float:
    """Go from deadline to deadline until each was refreshed once."""
    done, limit = 0, credentials * 4
    began = time.perf_counter()
    while done < credentials and limit > 0:
        limit -= 1
        now = machine.wake_at()
        if now is None:
            break
        done += _land(machine, list(machine.handle(Woke(), now)), now)
    return (time.perf_counter() - began) / max(done, 1) * 1e6
