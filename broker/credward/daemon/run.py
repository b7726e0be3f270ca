"""Run the daemon: take the lock, listen, handle signals, and stop in under two seconds when asked.

`compose` makes the parts; this file only knows in which order they start and stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from credward.clock import SystemClock
from credward.config import Paths, environment
from credward.daemon.compose import Broker, compose
from credward.daemon.detach import detach as detach_from_terminal
from credward.daemon.detach import report_failure
from credward.daemon.hardening import harden_process
from credward.daemon.listener import Listener
from credward.daemon.logs import configure_logging
from credward.daemon.notify import Notifier
from credward.doors.activation import activated_sockets
from credward.errors import BrokerError, Failure
from credward.store.lock import StoreLock

__all__ = ["run"]

_log = logging.getLogger(__name__)

# How long running mints and writes get at the end (seconds).
_LAST_WORDS = 0.3
# A container that ends waits for an exchange that rotates a grant; orchestrators give 30 s.
_CONTAINER = 25.0


def run(
    *,
    paths: Paths,
    config_path: Path | None,
    socket: Path | None,
    detach: bool,
    log_level: str,
    log_file: Path | None,
) -> int:
    """Serve until told to stop, or with *detach* until the child is ready; return the exit code."""
    parent: int | None = None
    if detach:
        exit_code, parent = detach_from_terminal()
        if exit_code is not None:
            return exit_code
        log_file = log_file or paths.state_dir / "daemon.log"
    try:
        harden_process(no_new_privs=False)
        configure_logging(log_level, log_file)
        with asyncio.Runner() as runner:
            runner.run(
                _with_one_failure(_serve(paths, config_path, socket or paths.socket, parent))
            )
    except BrokerError as error:
        if parent is None:
            raise
        with contextlib.suppress(OSError):
            report_failure(parent, error.kind.exit_code, error.message)
        return error.kind.exit_code
    return 0


async def _with_one_failure(work: Coroutine[Any, Any, None]) -> None:
    """Serve; a failure is one line for the user, not a tree of exceptions."""
    failures: list[Failure] = []
    try:
        await work
    except* BrokerError as group:
        failures += [each.failure for each in group.exceptions if isinstance(each, BrokerError)]
    # Not above: Python 3.11.2 would put the exception into a group again.
    if failures:
        raise failures[0].error()


async def _serve(
    paths: Paths, config_path: Path | None, socket_path: Path, parent: int | None
) -> None:
    activated = activated_sockets(environment(), os.getpid())
    lock = StoreLock.acquire(paths.state_dir, socket_path, take_over=bool(activated))
    try:
        async with asyncio.TaskGroup() as tasks:
            running: set[asyncio.Task[None]] = set()

            def spawn(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
                task = tasks.create_task(work)
                running.add(task)
                task.add_done_callback(running.discard)
                return task

            broker = compose(
                clock=SystemClock(),
                paths=paths,
                config_path=config_path,
                socket_path=socket_path,
                activated=activated,
                spawn=spawn,
            )
            stop = asyncio.Event()
            notifier = Notifier(environment().get("NOTIFY_SOCKET"), parent)
            _answer_signals(broker, stop, notifier)
            listener = Listener(broker.door)
            if broker.persists:
                # The first caller should get the token that is already there.
                spawn(_open_store(broker))
                await broker.kept.opened_store.wait_until_known()
            await listener.open(activated.unix)
            await broker.listening.begin()
            # Not waited for: a disk may hang.
            spawn(broker.sinks.follow())
            lock.record_socket(Path(listener.address))
            # Objects that exist now stay: then collecting later ones takes microseconds.
            gc.freeze()
            notifier.ready(f"serving at {listener.address}")
            _log.info("ready at %s", listener.address)
            watched = (listener, broker.listening.endpoints, broker.listening.sessions)
            watching = [tasks.create_task(each.watch()) for each in watched]
            if not broker.persists:
                spawn(_open_store(broker))
            await stop.wait()
            notifier.stopping()
            for task in watching:
                task.cancel()
            await _stop(broker, listener, running, spawn)
    finally:
        lock.release()


async def _stop(
    broker: Broker,
    listener: Listener,
    running: set[asyncio.Task[None]],
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
) -> None:
    """Accept nothing new, let running work end soon, and save what must be kept."""
    broker.asked.login_sessions.close()
    broker.kept.records.close()
    broker.asked.idle_lock.close()
    broker.sinks.close()
    broker.process.notices.close()
    broker.scrubber.close()
    broker.asked.daemon.stopping = True
    await asyncio.gather(broker.listening.close(), listener.close())
    if os.getpid() == 1:
        # Workers are killed with the first process of a container.
        await broker.kept.pool.finish(_CONTAINER)
    await broker.kept.pool.close()
    if broker.kept.records.unsaved:
        # There may be space again now.
        spawn(_save(broker))
    # Work that still runs waits for a worker or the disk; its journal has the rest.
    if running:
        await asyncio.wait(running, timeout=_LAST_WORDS)
    for task in running:
        task.cancel()
    broker.minted.driver.close()
    await broker.minted.tokens.close()
    broker.process.audit.close()


async def _open_store(broker: Broker) -> None:
    """Open the store if anything needs it; requests are answered meanwhile."""
    try:
        await broker.open_store()
    except BrokerError as failure:
        # Status and all requests that need it report this; requests try again.
        _log.error("the store is not open: %s", failure.message)


async def _save(broker: Broker) -> None:
    """Write the store a last time; a failure is in the log already."""
    await broker.kept.records.save()


def _answer_signals(broker: Broker, stop: asyncio.Event, notifier: Notifier) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def reload() -> None:
        notifier.reloading(int(loop.time() * 1e6))
        try:
            broker.process.reload()
        except BrokerError as error:
            _log.error("reload refused, the old configuration stays: %s", error.message)
            notifier.ready(f"reload refused: {error.message}")
        else:
            _log.info("reloaded")
            notifier.ready("reloaded")

    loop.add_signal_handler(signal.SIGHUP, reload)
