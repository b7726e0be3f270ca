"""The composition root: the only place that constructs, and the table of who is handed what.

Starts nothing and listens nowhere; that is `run`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from credward.account import account_home
from credward.administering.grant_service import GrantService
from credward.administering.idle_lock import IdleLock
from credward.administering.login_service import LoginService
from credward.administering.manage_service import BrokerManageService
from credward.administering.store_service import StoreService
from credward.audit import AuditLog
from credward.callers.attestation import attestation_report
from credward.callers.caller import Caller
from credward.callers.identify import peer_identifier
from credward.clock import Clock
from credward.config import Config, CredentialConfig, ListenConfig, Paths, environment, load_config
from credward.config.sources import files_behind
from credward.daemon.hardening import hardening_report
from credward.daemon.in_force import Holder, InForce
from credward.daemon.notice_program import notice_program
from credward.daemon.scrubbing import Scrubber
from credward.daemon.service import BrokerService
from credward.daemon.wakeups import open_wakeups
from credward.doors.unix_api.problems import render_problem
from credward.doors.unix_api.routes import build_handler
from credward.grants.journal_replay import JournalReplay
from credward.grants.keeper import GrantKeeper
from credward.grants.opened_store import OpenedStore
from credward.grants.records import GrantRecords
from credward.grants.replay_cache import ReplayCache
from credward.grants.secret_guard import SecretGuard
from credward.http.http11 import HttpServer
from credward.issuing.fallbacks import Fallbacks
from credward.issuing.gate import Active, Gate
from credward.issuing.issuer import Issuer
from credward.issuing.metrics import Sample
from credward.issuing.recording import Recorder
from credward.logins.logins import Logins
from credward.logins.notices import LoginNotices
from credward.logins.waiters import LoginWaiters
from credward.minting.driver import Driver
from credward.minting.minting import Minting
from credward.minting.persisted_tokens import PersistedTokens
from credward.minting.sealer import Sealer
from credward.minting.source_files import SourceFiles
from credward.minting.waking import changed_hands, login_found
from credward.policy.engine import PolicyEngine
from credward.store.journal import JournalDirectory
from credward.tokens import Secret
from credward.workers.pool import WorkerPool

__all__ = ["Broker", "compose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The parts of a daemon that `run` starts and stops."""

    service: BrokerService
    listen: ListenConfig
    make_server: Callable[[], HttpServer]
    pool: WorkerPool
    driver: Driver
    audit: AuditLog
    logins: Logins
    records: GrantRecords
    persisted: PersistedTokens
    idle_lock: IdleLock
    notices: LoginNotices
    scrubber: Scrubber
    open_store: Callable[[], Awaitable[None]]
    reload: Callable[[], Config]
    # Whether tokens of an earlier life may lie in the store.
    persists: bool


def compose(
    *,
    clock: Clock,
    paths: Paths,
    config_path: Path | None,
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
) -> Broker:
    """Build a broker from the configuration; raise `BrokerError` where that is wrong."""
    config = load_config(paths, config_path)
    environ = environment()
    journals = JournalDirectory(paths.state_dir / "journals")
    replay_cache = ReplayCache(clock=clock, path=paths.state_dir / "replay_cache.json")
    scrubber = Scrubber()
    pool = WorkerPool(
        clock=clock, journals=journals, on_used_up=replay_cache.add, on_left=scrubber.soon
    )
    audit = AuditLog(config.audit.path or paths.state_dir / "audit.log", sync=config.audit.sync)
    holder = Holder(Active(config, _load_policy(config)))
    opened_store = OpenedStore(
        clock=clock,
        pool=pool,
        state_dir=paths.state_dir,
        key_file=paths.config_file.parent / "store.key",
        environ=environ,
    )
    records = GrantRecords(opened_store)
    guard = SecretGuard(records)
    keeper = GrantKeeper(
        clock=clock,
        records=records,
        release=journals.release,
        # Only a mint that `driver` began brings this about.
        changed_hands=lambda grant: changed_hands(holder.active.config, driver, grant),
    )

    def login_came(grant: str) -> None:
        woken = login_found(holder.active.config, driver, grant)
        for each in {grant, *(user.grant for user in woken)}:
            notices.login_given(each)

    journal_replay = JournalReplay(keeper=keeper, journals=journals, spawn=spawn)
    sources = _Sources(paths, opened_store)
    minting = Minting(
        clock=clock,
        pool=pool,
        keeper=keeper,
        journal_replay=journal_replay,
        opened_store=opened_store,
        sources=sources,
        guard=guard,
        replay_cache=replay_cache,
        environ=environ,
        login_found=login_came,
    )
    persisted = PersistedTokens(
        clock=clock, records=records, config=lambda: holder.active.config, environ=environ
    )
    notices = LoginNotices(
        clock=clock,
        config=lambda: holder.active.config,
        view=keeper.view,
        run=notice_program(environ),
        spawn=spawn,
    )
    files = SourceFiles(clock=clock, files=lambda name: _files(holder.active.config, name, environ))
    driver = Driver(
        clock=clock,
        sealer=Sealer(),
        wakeups=open_wakeups(asyncio.get_running_loop()),
        spawn=spawn,
        mint=lambda key: minting.mint(holder.active.config, key),
        watcher=persisted,
        owner=notices,
        files=files,
        scrub=scrubber.soon,
    )
    persisted.tokens = driver
    recorder = Recorder(clock=clock, audit=audit)
    login_waiters = LoginWaiters()
    gate = Gate(
        holder=holder,
        recorder=recorder,
        worker_pids=pool.pids,
        locked=lambda: opened_store.locked_by_owner or idle_lock.overdue,
        asked=lambda: idle_lock.touch(),  # noqa: PLW0108 - made below
    )
    issuer = Issuer(
        holder=holder,
        gate=gate,
        driver=driver,
        recorder=recorder,
        fallbacks=Fallbacks(clock=clock, view=driver.view, holds=driver.holds),
        login_waiters=login_waiters,
        files=files,
    )
    store_service = StoreService(
        holder=holder,
        gate=gate,
        recorder=recorder,
        driver=driver,
        pool=pool,
        opened_store=opened_store,
        records=records,
        guard=guard,
        persisted=persisted,
        scrub=scrubber.soon,
    )
    grant_service = GrantService(
        clock=clock,
        holder=holder,
        gate=gate,
        recorder=recorder,
        driver=driver,
        pool=pool,
        opened_store=opened_store,
        records=records,
        keeper=keeper,
        minting=minting,
        login_waiters=login_waiters,
        notices=notices,
        scrub=scrubber.soon,
    )
    idle_lock = IdleLock(
        clock=clock,
        after=lambda: holder.active.config.store.lock_after,
        locked=lambda: opened_store.locked,
        lock=store_service.lock_up,
        spawn=spawn,
    )

    in_force = InForce(
        holder=holder,
        opened_store=opened_store,
        journals=journals,
        journal_replay=journal_replay,
        keeper=keeper,
        guard=guard,
        driver=driver,
        persisted=persisted,
        idle_lock=idle_lock,
        notices=notices,
    )
    opened_store.on_open(in_force.store_opened)
    logins = Logins(
        clock=clock,
        pool=pool,
        secrets_of=minting.secrets_of,
        keep=grant_service.keep,
        spawn=spawn,
    )
    login_service = LoginService(
        clock=clock,
        holder=holder,
        gate=gate,
        recorder=recorder,
        opened_store=opened_store,
        keeper=keeper,
        logins=logins,
    )

    def reload() -> Config:
        # Everything is read and checked before anything is replaced: an error leaves all as it was.
        fresh = load_config(paths, config_path)
        active = Active(fresh, _load_policy(fresh))
        audit.reopen()
        before, holder.active = holder.active, active
        in_force.configure()
        spawn(grant_service.dropped(before.config))
        return fresh

    in_force.configure()
    service = BrokerService(
        clock=clock,
        issuer=issuer,
        audit=audit,
        reload=reload,
        public_key=sources.public_key,
        facts=_Facts(holder, driver, pool, opened_store, records, keeper, notices),
        grants=grant_service,
        refusal=lambda credential: guard.refusal(holder.active.config, credential),
    )
    peers = peer_identifier(own_uid=os.geteuid(), user_mode=config.listen.mode == "user")
    handler = build_handler(
        service,
        BrokerManageService(grants=grant_service, logins=login_service, store=store_service),
        # In the other modes each caller has a home of its own, which is not ours to look up.
        account_home(os.geteuid()) if config.listen.mode == "user" else None,
    )
    return Broker(
        service=service,
        listen=config.listen,
        make_server=lambda: HttpServer(handler, open_peer=peers.open, render_error=render_problem),
        pool=pool,
        driver=driver,
        audit=audit,
        logins=logins,
        records=records,
        persisted=persisted,
        idle_lock=idle_lock,
        notices=notices,
        scrubber=scrubber,
        open_store=in_force.open_store,
        reload=reload,
        persists=any(each.persist for each in config.credentials.values()),
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the process can tell of itself."""

    holder: Holder
    driver: Driver
    pool: WorkerPool
    opened_store: OpenedStore
    records: GrantRecords
    keeper: GrantKeeper
    notices: LoginNotices

    def locked(self) -> bool:
        """Return whether the owner locked the store."""
        return self.opened_store.locked_by_owner

    def store(self) -> str:
        """Return where the store's key comes from."""
        return self.opened_store.describe()

    def warnings(self) -> list[str]:
        """Return what people should know."""
        unsaved = self.records.failure
        return [
            *self.opened_store.warnings(),
            *([unsaved.message] if unsaved else []),
            *self.notices.warnings(),
        ]

    def attestation(self, caller: Caller) -> str:
        """Return how well *caller*, and the users that are served, can be seen."""
        return attestation_report(
            caller,
            own_uid=os.geteuid(),
            served_uids=self.holder.active.config.listen.allow_uids,
        )

    def hardening(self) -> str:
        """Return what of the hardening took effect."""
        return hardening_report()

    def gauges(self) -> list[Sample]:
        """Return what is worth a gauge right now."""
        return [
            Sample(
                name="tokens_held",
                help="Tokens sealed in memory",
                value=float(self.driver.held_tokens),
            ),
            Sample(name="workers", help="Live workers", value=float(len(self.pool.snapshot()))),
            Sample(
                name="grant_rotations",
                help="Grants replaced by their mints since the start",
                value=float(self.keeper.rotations),
            ),
            Sample(
                name="grant_exchanges_cut_off",
                help="Exchanges of which nobody knows whether they used their grant",
                value=float(self.keeper.ambiguities),
            ),
        ]


def _files(config: Config, name: str, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that a mint of the credential *name* reads."""
    if (credential := config.credentials.get(name)) is None:
        return ()
    home = Path(environ.get("HOME") or "/")
    return tuple(
        home / path[2:] if path.startswith("~/") else Path(path)
        for path in files_behind(config, credential)
    )


def _load_policy(config: Config) -> PolicyEngine:
    return PolicyEngine.load(
        mode=config.listen.mode,
        owner_uid=os.geteuid(),
        allow_uids=config.listen.allow_uids,
        directory=config.policy.directory,
    )


@dataclass(frozen=True, slots=True)
class _Sources:
    """Secrets that the daemon itself keeps."""

    paths: Paths
    opened_store: OpenedStore

    def stored(self, name: str) -> Secret | None:
        """Return the secret that `credward secret set` stored under this name."""
        entry = self.opened_store.get(f"secret:{name}")
        if entry is None:
            return None
        try:
            return Secret(entry.plain.decode())
        finally:
            entry.plain[:] = bytes(len(entry.plain))

    def signing_key(self, credential: CredentialConfig) -> Secret:
        """Return the key with which a `local` credential signs."""
        from credward.store.signing_keys import load_or_create  # noqa: PLC0415 - 1 MB

        return load_or_create(self.paths.state_dir, credential.grant)

    def public_key(self, credential: CredentialConfig) -> dict[str, str]:
        """Return what others check those signatures with, as a JWK."""
        from credward.store.signing_keys import public_jwk  # noqa: PLC0415 - the same

        return public_jwk(self.signing_key(credential))
