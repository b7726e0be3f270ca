"""What is asked of a daemon, as it is built there, over a grant side; who asks is told by hand."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from credward.administering.choosing import ChoiceFile
from credward.administering.leftovers import Leftovers
from credward.audit import AuditLog
from credward.callers.caller import Caller, Executable
from credward.config import Config, CredentialConfig
from credward.daemon.build_asked import Process, build_asked
from credward.daemon.build_kept import Place
from credward.daemon.build_minted import Told, build_minted
from credward.daemon.process_facts import Outlets, ProcessFacts
from credward.errors import BrokerError, Kind
from credward.issuing.choices import Choices
from credward.issuing.gate import Active
from credward.lifecycle.vocabulary import Plan, TokenKey
from credward.logins.logins import LoginSession
from credward.logins.notices import LoginNotices, Notice
from credward.minting.driver import Answer, Listeners
from credward.policy.engine import PolicyEngine
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.tokens import Secret
from fakes.clock import FakeClock
from fakes.login_worker import LoginWorker
from fakes.upstream import FakeUpstream
from fakes.wakeups import FakeWakeups
from unit.grants.rig import GRANT, GrantSide

OWNER = Caller(
    uid=1000,
    gid=1000,
    pid=5,
    handle="peerpidfd",
    executable=Executable(path="/usr/bin/credward"),
    ancestry_complete=True,
)
KEY = TokenKey(GRANT, "1")
PASSPHRASE = Secret("correct horse")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Of a provider whose grants are given up with the last credential on them."""

    revoke_on_drop: bool = True
    claims: str | None = None

    @property
    def meaning(self) -> Meaning:
        return Meaning(
            grant=GrantTerms(rotating=True, logins=("device",), revoke_on_drop=self.revoke_on_drop)
        )


@dataclasses.dataclass(frozen=True)
class Peer:
    """The other end of a connection: a person in a terminal, or an agent."""

    caller: Caller = OWNER

    def identify(self) -> Caller:
        return self.caller

    async def identify_closely(self) -> Caller:
        return self.caller


PERSON = Peer()
AGENT = Peer(msgspec.structs.replace(OWNER, harness="claude"))


class Services:
    """A daemon's owner's side: *worker* is the far half of a login, *upstream* that of a mint."""

    def __init__(self, side: GrantSide, folder: Path, tasks: asyncio.TaskGroup) -> None:
        self.side = side
        self.clock = side.clock
        assert isinstance(self.clock, FakeClock)
        self.upstream = FakeUpstream(self.clock)
        self.audit = AuditLog(folder / "audit.log")
        self.config = side.config
        plain = msgspec.structs.replace(
            side.config.credentials["second"],
            name="plain",
            grant="plain",
            settings=msgspec.structs.replace(
                side.config.credentials["second"].settings, login=False, rotating=False
            ),
        )
        self.configure(plain, *side.config.credentials.values())
        notices = LoginNotices(
            clock=self.clock,
            config=lambda: self.config,
            view=side.keeper.view,
            run=_told,
            spawn=tasks.create_task,
        )
        minted = build_minted(
            clock=self.clock,
            place=Place(state_dir=folder / "state", key_file=folder / "store.key", environ={}),
            kept=side.kept,
            config=lambda: self.config,
            wakeups=FakeWakeups(),
            spawn=tasks.create_task,
            told=Told(listeners=Listeners(owner=notices), login_found=lambda _: None),
            mint=self.upstream.mint,
        )
        self.driver = minted.driver
        self.driver.configure(
            [
                Plan(credential=each.name, epoch="1", grant=each.grant)
                for each in self.config.credentials.values()
            ]
        )
        self.worker = LoginWorker()
        # Of a test that has sessions.
        self.keeper: Any = None
        leftovers = Leftovers(holder=self, kept=side.kept)
        asked = build_asked(
            clock=self.clock,
            holder=self,
            kept=side.kept,
            minted=minted,
            process=Process(
                facts=ProcessFacts(
                    holder=self,
                    kept=side.kept,
                    minted=minted,
                    notices=notices,
                    audit=self.audit,
                    leftovers=leftovers,
                    outlets=Outlets(endpoints=list, sinks=list),
                ),
                leftovers=leftovers,
                audit=self.audit,
                reload=lambda: self.config,
                notices=notices,
                spawn=tasks.create_task,
                login_pool=self.worker,  # type: ignore[arg-type]
                choices=ChoiceFile(
                    path=self.audit.path.with_name("choices.json"), put_in_force=self.choose
                ),
                files_settled=_settled,
                sessions=lambda: self.keeper,
            ),
        )
        self.asked, self.minted = asked, minted
        self.login_waiters, self.logins = asked.login_waiters, asked.login_sessions
        self.store_service, self.grant_service = asked.store, asked.grants
        self.login_service = asked.logins

    def choose(self, choices: Choices) -> None:
        """Have these choices in force."""
        self.active = msgspec.structs.replace(self.active, choices=choices)

    def configure(self, *credentials: CredentialConfig) -> None:
        """Have this configuration in force."""
        self.config = Config(credentials={each.name: each for each in credentials})
        self.active = Active(self.config, PolicyEngine.load(mode="user", owner_uid=1000))

    async def log_in(
        self, peer: Peer = PERSON, name: str = GRANT, **words: Any
    ) -> tuple[LoginSession, bool]:
        claims = words.get("claims")
        return await self.login_service.log_in(peer, name, None, claims)

    async def give(self, account: str | None, peer: Peer = PERSON) -> str:
        """Log in as somebody and return how it ended."""
        session, _ = await self.log_in(peer)
        async with asyncio.timeout(60):
            while not self.worker.requests or session.task is None:
                await asyncio.sleep(0)
            while not hasattr(self.worker, "end") or self.worker.end.done():
                await asyncio.sleep(0)
            self.worker.give(account)
            await session.task
        return session.events[-1].message or session.events[-1].event

    async def token(self) -> str:
        """Return the token that whoever asks is given."""
        answer = self.driver.ask(KEY, min_remaining=0.0, asker=None, cache_ttl=None)
        held = (answer if isinstance(answer, Answer) else await answer).held
        return self.driver.open(held).decode()

    def outcomes(self) -> list[str]:
        """Return what the audit log says was done."""
        lines = self.audit.path.read_text().splitlines()
        return [json.loads(line)["outcome"] for line in lines]


async def _settled() -> None:
    """There are no files."""


async def _told(_: tuple[str, ...], notice: Notice) -> None:
    raise AssertionError(notice)


async def refusal(work: Any, kind: Kind) -> str:
    """Return what is said of something that is refused."""
    with pytest.raises(BrokerError) as caught:
        await work
    assert caught.value.kind is kind, caught.value
    return caught.value.message
