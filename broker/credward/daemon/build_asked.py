"""The third of three builders: what answers requests. Only constructs.

It uses `build_minted`; `compose` adds the doors.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from credward.administering.choosing import ChoiceFile, ChoosingService
from credward.administering.daemon_service import DaemonService
from credward.administering.grant_service import GrantService
from credward.administering.idle_lock import IdleLock
from credward.administering.leftovers import Leftovers
from credward.administering.locking import Locking
from credward.administering.login_service import LoginService
from credward.administering.manage_service import ManageService
from credward.administering.session_service import SessionKeeper, SessionService
from credward.administering.status_service import ProcessFacts, StatusService
from credward.administering.store_service import StoreService
from credward.audit import AuditLog
from credward.callers.identify import working_folder
from credward.clock import Clock
from credward.config import Config
from credward.grants.kept import Kept
from credward.issuing.chains import Chains
from credward.issuing.fallbacks import Fallbacks
from credward.issuing.gate import Gate, Holder
from credward.issuing.issuer import Issuer
from credward.issuing.metrics import Metrics
from credward.issuing.probing import Prober
from credward.issuing.recording import Recorder
from credward.logins.logins import Logins
from credward.logins.notices import LoginNotices
from credward.logins.waiters import LoginWaiters
from credward.minting.minted import Minted
from credward.workers.pool import WorkerPool

__all__ = ["Asked", "Process", "build_asked"]


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """Parts from the rest of the process: *reload* reads the configuration again.

    *login_pool* holds the workers for logins. *choices* keeps what users chose. *files_settled*
    waits a moment until files hold no token that was just withdrawn. *sessions* returns who holds
    those.
    """

    facts: ProcessFacts
    leftovers: Leftovers
    audit: AuditLog
    reload: Callable[[], Config]
    notices: LoginNotices
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    login_pool: WorkerPool
    choices: ChoiceFile
    files_settled: Callable[[], Awaitable[None]]
    sessions: Callable[[], SessionKeeper]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The parts behind the doors, and those that end with the daemon."""

    gate: Gate
    issuer: Issuer
    prober: Prober
    status: StatusService
    grants: GrantService
    logins: LoginService
    store: StoreService
    locking: Locking
    daemon: DaemonService
    manage: ManageService
    login_sessions: Logins
    login_waiters: LoginWaiters
    idle_lock: IdleLock


def build_asked(
    *, clock: Clock, holder: Holder, kept: Kept, minted: Minted, process: Process
) -> Asked:
    """Return the parts; *holder* has the current configuration and policy."""
    recorder, metrics = Recorder(clock=clock, audit=process.audit), Metrics()
    login_waiters, locking = LoginWaiters(), Locking(kept=kept, minted=minted)
    gate, idle_lock = _gate(clock, holder, kept, recorder, locking, process)
    fallbacks = Fallbacks(clock=clock, view=minted.driver.view, holds=minted.driver.holds)
    issuer = Issuer(
        gate=gate,
        driver=minted.driver,
        recorder=recorder,
        chains=Chains(gate=gate, fallbacks=fallbacks),
        files=minted.files,
        login_waiters=login_waiters,
        metrics=metrics,
    )
    grants = GrantService(
        clock=clock,
        gate=gate,
        recorder=recorder,
        kept=kept,
        minted=minted,
        login_waiters=login_waiters,
        notices=process.notices,
    )
    sessions = _sessions(clock, minted, process, grants, login_waiters)
    logins = LoginService(clock=clock, gate=gate, recorder=recorder, kept=kept, logins=sessions)
    store = StoreService(gate=gate, recorder=recorder, kept=kept, minted=minted, locking=locking)
    choosing = ChoosingService(gate=gate, holder=holder, store=process.choices)
    status = StatusService(
        clock=clock,
        gate=gate,
        driver=minted.driver,
        fallbacks=fallbacks,
        grants=grants,
        metrics=metrics,
        facts=process.facts,
    )
    return Asked(
        gate=gate,
        issuer=issuer,
        prober=Prober(clock=clock, gate=gate, issuer=issuer, pool=process.login_pool),
        status=status,
        grants=grants,
        logins=logins,
        store=store,
        locking=locking,
        daemon=_daemon_service(gate, process),
        manage=_manage(gate, recorder, process, grants, logins, store, choosing),
        login_sessions=sessions,
        login_waiters=login_waiters,
        idle_lock=idle_lock,
    )


def _daemon_service(gate: Gate, process: Process) -> DaemonService:
    return DaemonService(
        gate=gate, audit=process.audit, leftovers=process.leftovers, reload=process.reload
    )


def _manage(
    gate: Gate,
    recorder: Recorder,
    process: Process,
    grants: GrantService,
    logins: LoginService,
    store: StoreService,
    choosing: ChoosingService,
) -> ManageService:
    return ManageService(
        grants=grants,
        logins=logins,
        store=store,
        choosing=choosing,
        sessions=SessionService(gate=gate, recorder=recorder, keeper=process.sessions),
        files_settled=process.files_settled,
    )


def _sessions(
    clock: Clock, minted: Minted, process: Process, grants: GrantService, waiters: LoginWaiters
) -> Logins:
    """Return the logins, whose grants *grants* keeps."""
    return Logins(
        clock=clock,
        pool=process.login_pool,
        secrets_of=minted.minting.secrets_of,
        keep=grants.keep,
        waiters=waiters,
        spawn=process.spawn,
    )


def _gate(
    clock: Clock, holder: Holder, kept: Kept, recorder: Recorder, locking: Locking, process: Process
) -> tuple[Gate, IdleLock]:
    """Return the gate, and the idle lock that it asks."""
    idle_lock = IdleLock(
        clock=clock,
        after=lambda: holder.active.config.store.lock_after,
        locked=lambda: kept.opened_store.locked,
        lock=locking.lock_up,
        spawn=process.spawn,
    )
    gate = Gate(
        holder=holder,
        recorder=recorder,
        own_pid=os.getpid(),
        worker_pids=kept.pool.pids,
        locked=lambda: kept.opened_store.locked_by_owner or idle_lock.overdue,
        folder_of=working_folder,
        asked=idle_lock.touch,
    )
    return gate, idle_lock
