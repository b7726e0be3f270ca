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
from credward.administering.grant_service import GrantDesk
from credward.administering.idle_lock import IdleLock
from credward.administering.login_service import LoginDesk
from credward.administering.manage_service import BrokerManageService
from credward.administering.store_service import StoreDesk
from credward.audit import AuditLog
from credward.callers.attestation import attestation_report
from credward.callers.caller import Caller
from credward.callers.identify import peer_identifier
from credward.clock import Clock
from credward.config import Config, CredentialConfig, ListenConfig, Places, environment, load_config
from credward.config.sources import files_behind
from credward.daemon.hardening import hardening_report
from credward.daemon.in_force import Holder, InForce
from credward.daemon.notice_program import notice_program
from credward.daemon.scrubbing import Scrubber
from credward.daemon.service import BrokerService
from credward.daemon.wakeups import open_wakeups
from credward.doors.unix_api.problems import render_problem
from credward.doors.unix_api.routes import build_handler
from credward.grants.keeper import GrantKeeper
from credward.grants.opened_store import Strongbox
from credward.grants.records import GrantBook
from credward.grants.recovery import Recovery
from credward.grants.replay_cache import UsedProofs
from credward.grants.secret_guard import SecretGuard
from credward.http.http11 import HttpServer
from credward.issuing.fallbacks import Fallbacks
from credward.issuing.gate import Active, Gate
from credward.issuing.issuer import Issuer
from credward.issuing.metrics import Sample
from credward.issuing.recording import Recorder
from credward.logins.logins import Logins
from credward.logins.notices import LoginNotices
from credward.logins.waiters import TurnedAway
from credward.minting.driver import Shell
from credward.minting.minting import Minting
from credward.minting.persisted_tokens import TokenShelf
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
    shell: Shell
    audit: AuditLog
    logins: Logins
    book: GrantBook
    shelf: TokenShelf
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
    places: Places,
    config_path: Path | None,
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
) -> Broker:
    """Build a broker from the configuration; raise `BrokerError` where that is wrong."""
    config = load_config(places, config_path)
    environ = environment()
    journals = JournalDirectory(places.state_dir / "journals")
    proofs = UsedProofs(clock=clock, path=places.state_dir / "used_proofs.json")
    scrubber = Scrubber()
    pool = WorkerPool(clock=clock, journals=journals, on_used_up=proofs.add, on_left=scrubber.soon)
    audit = AuditLog(config.audit.path or places.state_dir / "audit.log", sync=config.audit.sync)
    holder = Holder(Active(config, _load_policy(config)))
    strongbox = Strongbox(
        clock=clock,
        pool=pool,
        state_dir=places.state_dir,
        key_file=places.config_file.parent / "store.key",
        environ=environ,
    )
    book = GrantBook(strongbox)
    guard = SecretGuard(book)
    keeper = GrantKeeper(
        clock=clock,
        book=book,
        release=journals.release,
        # Only a mint that `shell` began brings this about.
        changed_hands=lambda grant: changed_hands(holder.active.config, shell, grant),
    )

    def login_came(grant: str) -> None:
        woken = login_found(holder.active.config, shell, grant)
        for each in {grant, *(user.grant for user in woken)}:
            notices.login_given(each)

    recovery = Recovery(keeper=keeper, journals=journals, spawn=spawn)
    sources = _Sources(places, strongbox)
    minting = Minting(
        clock=clock,
        pool=pool,
        keeper=keeper,
        recovery=recovery,
        strongbox=strongbox,
        sources=sources,
        guard=guard,
        proofs=proofs,
        environ=environ,
        login_found=login_came,
    )
    shelf = TokenShelf(clock=clock, book=book, config=lambda: holder.active.config, environ=environ)
    notices = LoginNotices(
        clock=clock,
        config=lambda: holder.active.config,
        view=keeper.view,
        run=notice_program(environ),
        spawn=spawn,
    )
    files = SourceFiles(clock=clock, files=lambda name: _files(holder.active.config, name, environ))
    shell = Shell(
        clock=clock,
        sealer=Sealer(),
        wakeups=open_wakeups(asyncio.get_running_loop()),
        spawn=spawn,
        mint=lambda key: minting.mint(holder.active.config, key),
        watcher=shelf,
        owner=notices,
        files=files,
        scrub=scrubber.soon,
    )
    shelf.tokens = shell
    recorder = Recorder(clock=clock, audit=audit)
    turned_away = TurnedAway()
    gate = Gate(
        holder=holder,
        recorder=recorder,
        worker_pids=pool.pids,
        locked=lambda: strongbox.locked_by_owner or idle_lock.overdue,
        asked=lambda: idle_lock.touch(),  # noqa: PLW0108 - made below
    )
    issuer = Issuer(
        holder=holder,
        gate=gate,
        shell=shell,
        recorder=recorder,
        fallbacks=Fallbacks(clock=clock, view=shell.view, holds=shell.holds),
        turned_away=turned_away,
        files=files,
    )
    store_desk = StoreDesk(
        holder=holder,
        gate=gate,
        recorder=recorder,
        shell=shell,
        pool=pool,
        strongbox=strongbox,
        book=book,
        guard=guard,
        shelf=shelf,
        scrub=scrubber.soon,
    )
    grant_desk = GrantDesk(
        clock=clock,
        holder=holder,
        gate=gate,
        recorder=recorder,
        shell=shell,
        pool=pool,
        strongbox=strongbox,
        book=book,
        keeper=keeper,
        minting=minting,
        turned_away=turned_away,
        notices=notices,
        scrub=scrubber.soon,
    )
    idle_lock = IdleLock(
        clock=clock,
        after=lambda: holder.active.config.store.lock_after,
        locked=lambda: strongbox.locked,
        lock=store_desk.lock_up,
        spawn=spawn,
    )

    in_force = InForce(
        holder=holder,
        strongbox=strongbox,
        journals=journals,
        recovery=recovery,
        keeper=keeper,
        guard=guard,
        shell=shell,
        shelf=shelf,
        idle_lock=idle_lock,
        notices=notices,
    )
    strongbox.on_open(in_force.store_opened)
    logins = Logins(
        clock=clock,
        pool=pool,
        secrets_of=minting.secrets_of,
        keep=grant_desk.keep,
        spawn=spawn,
    )
    login_desk = LoginDesk(
        clock=clock,
        holder=holder,
        gate=gate,
        recorder=recorder,
        strongbox=strongbox,
        keeper=keeper,
        logins=logins,
    )

    def reload() -> Config:
        # Everything is read and checked before anything is replaced: an error leaves all as it was.
        fresh = load_config(places, config_path)
        active = Active(fresh, _load_policy(fresh))
        audit.reopen()
        before, holder.active = holder.active, active
        in_force.configure()
        spawn(grant_desk.dropped(before.config))
        return fresh

    in_force.configure()
    service = BrokerService(
        clock=clock,
        issuer=issuer,
        audit=audit,
        reload=reload,
        public_key=sources.public_key,
        facts=_Facts(holder, shell, pool, strongbox, book, keeper, notices),
        grants=grant_desk,
        refusal=lambda credential: guard.refusal(holder.active.config, credential),
    )
    peers = peer_identifier(own_uid=os.geteuid(), user_mode=config.listen.mode == "user")
    handler = build_handler(
        service,
        BrokerManageService(grants=grant_desk, logins=login_desk, store=store_desk),
        # In the other modes each caller has a home of its own, which is not ours to look up.
        account_home(os.geteuid()) if config.listen.mode == "user" else None,
    )
    return Broker(
        service=service,
        listen=config.listen,
        make_server=lambda: HttpServer(handler, open_peer=peers.open, render_error=render_problem),
        pool=pool,
        shell=shell,
        audit=audit,
        logins=logins,
        book=book,
        shelf=shelf,
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
    shell: Shell
    pool: WorkerPool
    strongbox: Strongbox
    book: GrantBook
    keeper: GrantKeeper
    notices: LoginNotices

    def locked(self) -> bool:
        """Return whether the owner locked the store."""
        return self.strongbox.locked_by_owner

    def store(self) -> str:
        """Return where the store's key comes from."""
        return self.strongbox.describe()

    def warnings(self) -> list[str]:
        """Return what people should know."""
        unsaved = self.book.failure
        return [
            *self.strongbox.warnings(),
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
                value=float(self.shell.held_tokens),
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

    places: Places
    strongbox: Strongbox

    def stored(self, name: str) -> Secret | None:
        """Return the secret that `credward secret set` stored under this name."""
        entry = self.strongbox.get(f"secret:{name}")
        if entry is None:
            return None
        try:
            return Secret(entry.plain.decode())
        finally:
            entry.plain[:] = bytes(len(entry.plain))

    def signing_key(self, credential: CredentialConfig) -> Secret:
        """Return the key with which a `local` credential signs."""
        from credward.store.signing_keys import load_or_create  # noqa: PLC0415 - 1 MB

        return load_or_create(self.places.state_dir, credential.grant)

    def public_key(self, credential: CredentialConfig) -> dict[str, str]:
        """Return what others check those signatures with, as a JWK."""
        from credward.store.signing_keys import public_jwk  # noqa: PLC0415 - the same

        return public_jwk(self.signing_key(credential))
