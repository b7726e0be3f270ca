"""The composition root: builds what is kept, what mints, what answers, and the doors.

Starts nothing and listens nowhere; that is up to `run`. Each builder has its own file.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Collection, Coroutine
from pathlib import Path
from typing import Any

import msgspec

from credward.account import account_home
from credward.administering.choosing import ChoiceFile
from credward.administering.leftovers import Leftovers
from credward.audit import AuditLog
from credward.callers.client_reports import ClientReports
from credward.callers.identify import loopback_peers, peer_identifier
from credward.callers.looking import Looker
from credward.clock import Clock
from credward.config import Config, Paths, environment, load_config
from credward.daemon.build_asked import Asked, Process, build_asked
from credward.daemon.build_endpoints import Listening, build_endpoints
from credward.daemon.build_kept import Place, build_kept
from credward.daemon.build_minted import Told, build_minted
from credward.daemon.build_sinks import build_sinks
from credward.daemon.in_force import Holder, InForce
from credward.daemon.notice_program import notice_program
from credward.daemon.process_facts import Outlets, ProcessFacts
from credward.daemon.scrubbing import Scrubber
from credward.daemon.wakeups import open_wakeups
from credward.doors.activation import Activated
from credward.doors.claims import ClientClaims
from credward.doors.door import Door
from credward.doors.unix_api.door import unix_api
from credward.doors.unix_api.routes import Services, build_handler
from credward.grants.kept import Kept
from credward.issuing.choices import Choices
from credward.issuing.gate import Active
from credward.logins.notices import LoginNotices
from credward.minting.driver import Listeners
from credward.minting.minted import Minted
from credward.minting.waking import changed_hands, login_found
from credward.policy.engine import PolicyEngine
from credward.sinks.sinks import Sinks

__all__ = ["Broker", "compose"]

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of a daemon that `run` starts and stops."""

    kept: Kept
    minted: Minted
    asked: Asked
    door: Door
    listening: Listening
    sinks: Sinks
    process: Process
    scrubber: Scrubber
    open_store: Callable[[], Awaitable[None]]
    # Whether the store may hold tokens of an earlier run.
    persists: bool


def compose(
    *,
    clock: Clock,
    paths: Paths,
    config_path: Path | None,
    socket_path: Path,
    activated: Activated,
    spawn: Spawn,
) -> Broker:
    """Build a broker from the configuration; raise `BrokerError` if that is wrong."""
    choices = _choices(paths, lambda made: in_force.choose(made))  # noqa: PLW0108 - made below
    load = _loader(paths, config_path, choices)
    holder = Holder(load())
    place, scrubber = _place(paths), Scrubber()
    kept = build_kept(
        clock=clock,
        place=place,
        scrubber=scrubber,
        spawn=spawn,
        # Only a mint started by the driver below calls this.
        changed_hands=lambda grant: changed_hands(holder.active.config, minted.driver, grant),
    )
    # Sinks and endpoints are made below, of what is asked.
    minted, notices = _what_is_minted(clock, place, holder, kept, lambda: sinks, spawn)
    process = _process(
        _audit_log(paths, holder.active.config),
        *(holder, kept, minted, notices),
        outlets=lambda: (listening, sinks),
        reload=lambda: in_force.reload(),  # noqa: PLW0108 - made below
        spawn=spawn,
        choices=choices,
    )
    asked = build_asked(clock=clock, holder=holder, kept=kept, minted=minted, process=process)
    sinks = build_sinks(clock, place, holder, asked, minted.driver, spawn)
    door, listening = _what_listens(clock, place, holder, asked, socket_path, activated, spawn)
    in_force = InForce(
        holder=holder,
        kept=kept,
        minted=minted,
        asked=asked,
        process=process,
        endpoints=listening.endpoints,
        sinks=sinks,
        load=load,
    )
    kept.opened_store.on_open(in_force.store_opened)
    in_force.configure()
    return Broker(
        kept=kept,
        minted=minted,
        asked=asked,
        door=door,
        listening=listening,
        sinks=sinks,
        process=process,
        scrubber=scrubber,
        open_store=in_force.open_store,
        persists=_persists(holder.active.config),
    )


def _persists(config: Config) -> bool:
    return any(each.persist for each in config.credentials.values())


def _place(paths: Paths) -> Place:
    return Place(
        state_dir=paths.state_dir,
        key_file=paths.config_file.parent / "store.key",
        environ=environment(),
    )


def _audit_log(paths: Paths, config: Config) -> AuditLog:
    return AuditLog(config.audit.path or paths.state_dir / "audit.log", sync=config.audit.sync)


def _process(
    audit: AuditLog,
    holder: Holder,
    kept: Kept,
    minted: Minted,
    notices: LoginNotices,
    *,
    outlets: Callable[[], tuple[Listening, Sinks]],
    reload: Callable[[], Config],
    spawn: Spawn,
    choices: ChoiceFile,
) -> Process:
    leftovers = Leftovers(holder=holder, kept=kept)
    return Process(
        facts=ProcessFacts(
            holder=holder,
            kept=kept,
            minted=minted,
            notices=notices,
            audit=audit,
            leftovers=leftovers,
            outlets=Outlets(
                endpoints=lambda: outlets()[0].views(),  # noqa: PLW0108 - made later
                sinks=lambda: outlets()[1].views(),  # noqa: PLW0108 - made later
            ),
        ),
        leftovers=leftovers,
        audit=audit,
        reload=reload,
        notices=notices,
        spawn=spawn,
        login_pool=kept.pool,
        choices=choices,
        files_settled=lambda: outlets()[1].settled(),  # noqa: PLW0108 - made later
        sessions=lambda: outlets()[0].sessions,
    )


def _what_is_minted(
    clock: Clock,
    place: Place,
    holder: Holder,
    kept: Kept,
    sinks: Callable[[], Sinks],
    spawn: Spawn,
) -> tuple[Minted, LoginNotices]:
    """Build it, and the notices for needed logins."""

    def configured() -> Config:
        return holder.active.config

    notices = LoginNotices(
        clock=clock,
        config=configured,
        view=kept.keeper.view,
        run=notice_program(place.environ),
        spawn=spawn,
    )

    def login_came(grant: str) -> None:
        woken = login_found(configured(), minted.driver, grant)
        for each in {grant, *(user.grant for user in woken)}:
            notices.login_given(each)

    minted = build_minted(
        clock=clock,
        place=place,
        kept=kept,
        config=configured,
        wakeups=open_wakeups(asyncio.get_running_loop()),
        spawn=spawn,
        told=Told(
            listeners=Listeners(
                owner=notices,
                changed=lambda name: sinks().changed(name),
                withdrawn=lambda name: sinks().withdrawn(name),
            ),
            login_found=login_came,
        ),
    )
    return minted, notices


def _choices(paths: Paths, put_in_force: Callable[[Choices], None]) -> ChoiceFile:
    return ChoiceFile(path=paths.state_dir / "choices.json", put_in_force=put_in_force)


def _loader(paths: Paths, config_path: Path | None, choices: ChoiceFile) -> Callable[[], Active]:
    def load() -> Active:
        config = load_config(paths, config_path)
        return Active(config, _load_policy(config), choices.read())

    return load


def _what_listens(
    clock: Clock,
    place: Place,
    holder: Holder,
    asked: Asked,
    socket_path: Path,
    activated: Activated,
    spawn: Spawn,
) -> tuple[Door, Listening]:
    """Build the door that stays for good, and the endpoints, which come and go."""
    listen = holder.active.config.listen
    own_home = listen.mode == "user"
    looker = Looker()
    peers = peer_identifier(own_uid=os.geteuid(), user_mode=own_home, looker=looker)
    services = Services(
        issuer=asked.issuer,
        prober=asked.prober,
        status=asked.status,
        daemon=asked.daemon,
        manage=asked.manage,
        clock=clock,
    )
    # In the other modes each caller has its own home, which we do not look up.
    home = account_home(os.geteuid()) if own_home else None
    socket_api = unix_api(
        path=socket_path, listen=listen, peers=peers, services=services, home=home
    )
    listening = build_endpoints(
        clock=clock,
        state_dir=place.state_dir,
        config=lambda: holder.active.config,
        issuer=asked.issuer,
        claims=ClientClaims(ClientReports(looker).of, home),
        # Whose home it would be is not known at the far end of a relay.
        socket_api=build_handler(services, home=None),
        peers=loopback_peers(peers, lambda: _served(holder.active.config)),
        activated=activated.loopback,
        spawn=spawn,
    )
    return socket_api, listening


def _served(config: Config) -> Collection[int]:
    """Return the users for whom the endpoints are."""
    return {os.geteuid()} if config.listen.mode == "user" else config.listen.allow_uids


def _load_policy(config: Config) -> PolicyEngine:
    return PolicyEngine.load(
        mode=config.listen.mode,
        owner_uid=os.geteuid(),
        allow_uids=config.listen.allow_uids,
        directory=config.policy.directory,
    )
