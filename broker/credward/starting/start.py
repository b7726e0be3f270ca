"""Find the daemon of an account, and start it if it is not running: one implementation for all.

The native helper runs it as `credward start`, the command line calls it. `refusal` decides before
whether the caller forbids a start.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from credward.account import Account
from credward.clock import Clock
from credward.errors import BrokerError, Failure, Kind
from credward.paths import SYSTEM_SOCKET, Paths, find_paths
from credward.starting.lock import hold_start_lock
from credward.starting.refusal import check_place
from credward.trust import connect

__all__ = ["start_daemon"]

# A daemon that was started in another way may already have its lock and not yet its socket.
_SOCKET_SOON = 5.0
_PAUSE = 0.02
# A running daemon takes a connection at once, or has a full queue.
_CONNECT = 2.0


def start_daemon(
    account: Account, clock: Clock, *, began: float, caller: Mapping[str, str]
) -> Path:
    """Return the socket of the daemon of *account*; start it if it is not running.

    *began*: when the caller began, by the clock's `elapsed`; a start that failed since then counts
    for it. *caller*: the caller's environment, which can only forbid. Raises `not-running` if
    nothing is configured or no daemon may be started here, `fix-configuration` and others as the
    daemon reports.
    """
    environ = {**account.environment(), **_language(caller)}
    paths = find_paths(environ)
    if (found := _find(paths, clock)) is not None:
        return found
    if not paths.is_configured:
        raise _unconfigured(account, paths, caller)
    check_place(caller)
    with hold_start_lock(paths.state_dir) as lock:
        if (found := _find(paths, clock)) is not None:
            return found
        failure = lock.failure_since(began, clock.elapsed())
        if failure is None:
            try:
                return _start(account, paths, environ, clock)
            except BrokerError as error:
                failure = error.failure
            lock.record(failure, clock.elapsed())
    raise failure.error()


def _language(caller: Mapping[str, str]) -> dict[str, str]:
    """Return the caller's LANG if it is a plain locale name (setlocale(3)), not a path."""
    said = caller.get("LANG", "")
    plain = said.isascii() and all(each.isalnum() or each in "_.@-" for each in said)
    return {"LANG": said} if said and plain else {}


def _unconfigured(account: Account, paths: Paths, caller: Mapping[str, str]) -> BrokerError:
    """Say what to do; we do not use a configuration that the caller's environment names."""
    if not find_paths(caller).config_file.exists():
        return BrokerError(Kind.NOT_RUNNING, "nothing is configured yet: run credward add")
    if (variable := account.never_followed(caller)) is not None:
        why = f"an automatic start does not use {variable}: run credward daemon start"
    elif "XDG_CONFIG_HOME" in account.recorded:
        why = "the recorded XDG_CONFIG_HOME counts: run credward daemon start"
    else:
        why = "XDG_CONFIG_HOME counts only once it is recorded: run credward daemon start"
    return BrokerError(
        Kind.NOT_RUNNING,
        f'nothing is configured in "{paths.config_dir}", and {why} in your own terminal',
    )


def _start(account: Account, paths: Paths, environ: Mapping[str, str], clock: Clock) -> Path:
    # Only one of many starters gets here; the others do not need this import.
    from credward.starting import programs  # noqa: PLC0415

    config_home = paths.config_dir.parent
    failure: Failure | None = None
    if not (
        programs.unit_is_installed(account.home, config_home) and programs.run_manager(environ)
    ):
        failure = programs.run_serve(environ)
    if failure is not None and failure.kind is not Kind.ALREADY_RUNNING:
        raise failure.error()
    deadline = clock.elapsed() + _SOCKET_SOON
    while True:
        late = clock.elapsed() > deadline
        if (found := _find(paths, clock)) is not None:
            return found
        if late:
            raise _elsewhere(failure)
        time.sleep(_PAUSE)


def _elsewhere(failure: Failure | None) -> BrokerError:
    line = (
        "the daemon was started but does not listen: run credward doctor"
        if failure is None
        else "the daemon is running, but not where clients look: run credward serve to see where"
    )
    return BrokerError(Kind.NOT_RUNNING, line)


def _find(paths: Paths, clock: Clock) -> Path | None:
    """Return the first socket where a daemon accepts connections; raise if it is not trusted."""
    refused: Failure | None = None
    for path in paths.sockets:
        # The caller has already asked the daemon of the machine.
        if path == SYSTEM_SOCKET:
            continue
        try:
            with connect(path, _bounded(clock)):
                return path
        except BrokerError as error:
            refused = refused or error.failure
        except OSError:
            continue
    if refused is not None:
        raise refused.error()
    return None


def _bounded(clock: Clock) -> Callable[[], float]:
    deadline = clock.elapsed() + _CONNECT

    def remaining() -> float:
        left = deadline - clock.elapsed()
        if left <= 0:
            raise BrokerError(
                Kind.TIMED_OUT, "the daemon does not accept connections: run credward status"
            )
        return left

    return remaining
