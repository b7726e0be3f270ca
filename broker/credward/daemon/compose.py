"""The composition root: the only place that constructs, and the table of who is handed what.

Starts nothing and listens nowhere; that is `run`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from credward.audit import AuditLog
from credward.callers.identify import PeerIdentifier, attestation_report
from credward.clock import Clock
from credward.config import Config, CredentialConfig, ListenConfig, Places, environment, load_config
from credward.daemon.hardening import hardening_report
from credward.daemon.metrics import Sample
from credward.daemon.service import BrokerService
from credward.daemon.wakeups import open_wakeups
from credward.errors import BrokerError, Kind
from credward.issuing.gate import Active, Gate
from credward.issuing.issuer import Issuer
from credward.issuing.recording import Recorder
from credward.issuing.sealer import Sealer
from credward.issuing.shell import MintedBody, Shell
from credward.lifecycle.vocabulary import Plan, TokenKey
from credward.policy.engine import PolicyEngine
from credward.servers.http11 import HttpServer
from credward.servers.unix_api.problems import render_problem
from credward.servers.unix_api.routes import build_handler
from credward.settings.references import references_in
from credward.store.signing_keys import load_or_create, public_jwk
from credward.tokens import Secret
from credward.workers.link import MintRequest
from credward.workers.pool import WorkerPool

__all__ = ["Broker", "compose"]

# A provider that names no limit of its own may hold a worker this long (seconds).
_MINT_DEADLINE = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """The parts of a daemon that `run` starts and stops."""

    service: BrokerService
    listen: ListenConfig
    make_server: Callable[[], HttpServer]
    pool: WorkerPool
    shell: Shell
    audit: AuditLog
    reload: Callable[[], Config]


def compose(
    *,
    clock: Clock,
    places: Places,
    config_path: Path | None,
    spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
) -> Broker:
    """Build a broker from the configuration; raise `BrokerError` where that is wrong."""
    config = load_config(places, config_path)
    pool = WorkerPool(clock=clock)
    audit = AuditLog(config.audit.path or places.state_dir / "audit.log", sync=config.audit.sync)
    holder = _Holder(Active(config, _load_policy(config)))
    shell = Shell(
        clock=clock,
        sealer=Sealer(),
        wakeups=open_wakeups(asyncio.get_running_loop()),
        spawn=spawn,
        mint=lambda key: _mint(pool, places, clock, holder.active.config, key),
    )
    recorder = Recorder(clock=clock, audit=audit)
    gate = Gate(holder=holder, recorder=recorder, worker_pids=pool.pids)
    issuer = Issuer(holder=holder, gate=gate, shell=shell, recorder=recorder)

    def reload() -> Config:
        # Everything is read and checked before anything is replaced: an error leaves all as it was.
        fresh = load_config(places, config_path)
        active = Active(fresh, _load_policy(fresh))
        audit.reopen()
        holder.active = active
        shell.configure(_plans(fresh))
        return fresh

    shell.configure(_plans(config))
    service = BrokerService(
        clock=clock,
        issuer=issuer,
        audit=audit,
        reload=reload,
        public_key=lambda each: public_jwk(load_or_create(places.state_dir, each.grant)),
        facts=_Facts(shell, pool),
    )
    peers = PeerIdentifier(own_uid=os.geteuid())
    return Broker(
        service=service,
        listen=config.listen,
        make_server=lambda: HttpServer(
            build_handler(service), open_peer=peers.open, render_error=render_problem
        ),
        pool=pool,
        shell=shell,
        audit=audit,
        reload=reload,
    )


@dataclass(slots=True)
class _Holder:
    """The one reference that a reload replaces."""

    active: Active


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the process can tell of itself."""

    shell: Shell
    pool: WorkerPool

    def attestation(self) -> str:
        """Return how well callers can be seen."""
        return attestation_report()

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
        ]


def _load_policy(config: Config) -> PolicyEngine:
    return PolicyEngine.load(
        mode=config.listen.mode,
        owner_uid=os.geteuid(),
        allow_uids=config.listen.allow_uids,
        directory=config.policy.directory,
    )


def _plans(config: Config) -> list[Plan]:
    return [
        Plan(
            credential=each.name,
            epoch=each.epoch,
            grant=each.grant,
            always=each.keep == "always",
            idle_after=each.idle_after,
        )
        for each in config.credentials.values()
    ]


async def _mint(
    pool: WorkerPool, places: Places, clock: Clock, config: Config, key: TokenKey
) -> MintedBody:
    """Hand one mint to a worker, with the one grant that it needs."""
    credential = config.credentials[key.credential]
    mint_request = MintRequest(
        credential=credential.name,
        settings=msgspec.to_builtins(credential.settings),
        audience=key.audience,
        scopes=list(key.scopes),
        grant=_grant(places, credential),
        secrets=_secrets(credential),
        network=config.network,
        now=clock.now(),
    )
    deadline = getattr(credential.settings, "timeout", None) or _MINT_DEADLINE
    # Two seconds more than the provider's own limit: its report of a hung program says more than
    # our kill.
    return await pool.mint(credential.provider, mint_request, deadline=deadline + 2.0)


def _grant(places: Places, credential: CredentialConfig) -> Secret | None:
    """Return the long-lived secret that this mint needs, and nothing else."""
    if credential.provider == "local":
        return load_or_create(places.state_dir, credential.grant)
    return None


def _secrets(credential: CredentialConfig) -> dict[str, Secret]:
    """Return the secrets that the settings refer to and no worker can read."""
    found = {}
    for field, reference in references_in(credential.settings).items():
        if reference.env is None:
            continue
        if not (value := environment().get(reference.env, "")):
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{credential.name}" refers to {reference.env}, which is not set in the '
                "environment of the daemon: set it, then start credward serve again",
            )
        found[field] = Secret(value)
    return found
