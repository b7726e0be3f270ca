"""Running logins: one per grant on the whole machine, watched by any number of terminals.

Passes events between the login worker and the watchers. `gate` decides who may start one,
`cli.login` shows it on a terminal, `keeper` keeps the grant.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

import msgspec

from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.config.sources import login_behind
from credward.errors import BrokerError, Failure, Kind
from credward.logins.waiters import LoginWaiters
from credward.store.journal import GrantFields, SealedGrant, open_grant
from credward.tokens import Secret
from credward.wire import LoginEvent
from credward.workers import link
from credward.workers.pool import Login, WorkerPool

__all__ = ["Given", "LoginSession", "Logins"]

_log = logging.getLogger(__name__)

# How long an ended login is remembered for late watchers (seconds).
_REMEMBERED = 300.0
_KEY_SIZE = 32
# How long a server may take to say what it is (seconds).
_CHECK = 25.0
# More wrong answers than a human gives.
_MOST_ANSWERS = 200


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """The result of keeping a grant: whether it is durable, and for whom it is."""

    durable: bool
    credentials: tuple[str, ...]
    # Agents that were refused with `login-required` before.
    turned_away: int
    # Why a handed-over grant has not worked yet, None once it has; unused for a login.
    untried: Failure | None = None


class Keeping(Protocol):
    """What happens to the grant of a login."""

    async def __call__(
        self, credential: CredentialConfig, fields: GrantFields, *, by_agent: bool = False
    ) -> Given:
        """Keep it and wake what waits for it; raise if it is not kept."""
        ...


Secrets = Callable[[Config, CredentialConfig], Coroutine[Any, Any, Mapping[str, Secret]]]


class LoginSession:
    """One login; *events* only grows, so that a late watcher sees what it missed.

    *by_agent*: an agent started it, so it must not change the account of the grant. *claims*: the
    challenge that it must answer, as JSON.
    """

    def __init__(self, credential: CredentialConfig, *, by_agent: bool, claims: str = "") -> None:
        self.id = secrets.token_urlsafe(12)
        self.credential = credential
        self.by_agent = by_agent
        self.claims = claims
        self.events: list[LoginEvent] = []
        self.ended_at: float | None = None
        self.task: asyncio.Task[None] | None = None
        # The grant is there: keep it completely, a half-kept grant would be neither lost nor
        # served.
        self.given = False
        self._changed = asyncio.Event()
        self._login: Login | None = None
        self._open_prompts: set[str] = set()
        self._answers = 0

    def tell(self, event: LoginEvent) -> None:
        """Add an event for all watchers."""
        if event.event == "prompt" and event.field is not None:
            self._open_prompts.add(event.field)
        elif event.event == "prompt_closed" and event.field is not None:
            self._open_prompts.discard(event.field)
        self.events.append(event)
        self._changed.set()
        self._changed = asyncio.Event()

    async def events_after(self, number: int, seconds: float) -> list[LoginEvent]:
        """Return the events after the first *number*; wait at most *seconds* for one."""
        if len(self.events) <= number and self.ended_at is None:
            try:
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return []
        return self.events[number:]

    def started(self, login: Login) -> None:
        """Note that the worker listens."""
        self._login = login

    def cancel(self) -> bool:
        """Cancel it and return True; False if it has ended, or its grant is being kept."""
        if self.ended_at is not None or self.task is None or self.given:
            return False
        return self.task.cancel()

    def answer(self, field: str, value: Secret) -> None:
        """Pass on what the user typed; the first answer to a prompt counts."""
        if field not in self._open_prompts or self._login is None:
            raise BrokerError(
                Kind.BAD_REQUEST, f'this login does not ask for "{_shown(field)}" (any more)'
            )
        self._answers += 1
        if self._answers > _MOST_ANSWERS:
            # Each may be asked for again; remember that.
            raise BrokerError(
                Kind.RATE_LIMITED,
                f"this login got too many answers: run credward login {self.credential.name} again",
            )
        self._login.answer(link.LoginAnswer(field=field, value=value))


class Logins:
    """All logins of one daemon."""

    def __init__(
        self,
        *,
        clock: Clock,
        pool: WorkerPool,
        secrets_of: Secrets,
        keep: Keeping,
        waiters: LoginWaiters,
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._secrets_of = secrets_of
        self._keep = keep
        self._waiters = waiters
        self._spawn = spawn
        self._sessions: dict[str, LoginSession] = {}

    def start(
        self,
        config: Config,
        credential: CredentialConfig,
        method: str | None,
        *,
        by_agent: bool = False,
        claims: str = "",
    ) -> tuple[LoginSession, bool]:
        """Return the login of this credential's grant, and whether it was already running."""
        self._forget_old()
        if (session := self.under_way(credential.grant)) is not None:
            return session, True
        ways = credential.meaning.grant.logins
        if not ways:
            raise _no_login(config, credential)
        if method is not None and method not in ways:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{credential.name}" supports only login by {" or ".join(ways)}: '
                f"run credward login {credential.name} --method {ways[0]}",
            )
        session = LoginSession(credential, by_agent=by_agent, claims=claims)
        self._sessions[session.id] = session
        session.task = self._spawn(self._run(session, config, method or ways[0]))
        # If it is cancelled before its first step, it would never end.
        session.task.add_done_callback(lambda _: self._given_up(session))
        return session, False

    async def check(self, config: Config, credential: CredentialConfig) -> None:
        """Ask the server of *credential* whether people can log in there; raise if not.

        No secret goes there, and a provider that cannot ask has nothing against it.
        """
        request = link.CheckRequest(
            credential=credential.name,
            settings=msgspec.to_builtins(credential.settings),
            network=config.network,
            now=self._clock.now(),
        )
        await self._pool.check(credential.provider, request, deadline=_CHECK)

    def under_way(self, grant: str) -> LoginSession | None:
        """Return the running login of this grant, if there is one."""
        return next(
            (
                each
                for each in self._sessions.values()
                if each.credential.grant == grant and each.ended_at is None
            ),
            None,
        )

    def find(self, login_id: str) -> LoginSession:
        """Return a login, or raise `bad-request`."""
        self._forget_old()
        if (session := self._sessions.get(login_id)) is None:
            raise BrokerError(
                Kind.BAD_REQUEST, "there is no such login (any more): run credward login NAME"
            )
        return session

    async def cancel(self, session: LoginSession) -> bool:
        """Cancel a login and return whether that worked; all watchers hear it.

        It has ended by then: the next login starts from the beginning.
        """
        if not session.cancel():
            return False
        assert session.task is not None
        await asyncio.wait([session.task])
        return not session.given

    def close(self) -> None:
        """Cancel all logins: the daemon ends."""
        for session in self._sessions.values():
            session.cancel()

    async def _run(self, session: LoginSession, config: Config, method: str) -> None:
        credential = session.credential
        try:
            given, account = await self._log_in(session, config, method)
        except BrokerError as error:
            self._failed(session, error.failure)
        except asyncio.CancelledError:
            self._given_up(session)
        except Exception:  # noqa: BLE001 - watchers must never be left hanging
            # The daemon must not end with it, as it would with any of its own tasks.
            _log.exception("the login of %s failed unexpectedly", credential.name)
            self._failed(
                session,
                Failure.of(
                    Kind.INTERNAL,
                    f'the login of "{credential.name}" failed (a bug): run credward doctor',
                ),
            )
        else:
            session.tell(
                LoginEvent(
                    event="done",
                    account=account,
                    durable=given.durable,
                    credentials=list(given.credentials),
                    turned_away=given.turned_away,
                )
            )
        finally:
            session.ended_at = self._clock.elapsed()

    def _failed(self, session: LoginSession, failure: Failure) -> None:
        self._waiters.login_failed(session.credential.grant, failure, self._clock.now())
        session.tell(_error(failure))

    def _given_up(self, session: LoginSession) -> None:
        if session.ended_at is not None:
            return
        name = session.credential.name
        given_up = Failure.of(
            Kind.LOGIN_REQUIRED,
            f'the login of "{name}" was cancelled: run credward login {name}',
        )
        session.tell(_error(given_up))
        session.ended_at = self._clock.elapsed()

    async def _log_in(
        self, session: LoginSession, config: Config, method: str
    ) -> tuple[Given, str | None]:
        credential = session.credential
        key = secrets.token_bytes(_KEY_SIZE)
        request = link.LoginRequest(
            credential=credential.name,
            settings=msgspec.to_builtins(credential.settings),
            secrets=dict(await self._secrets_of(config, credential)),
            network=config.network,
            now=self._clock.now(),
            method=method,
            key=Secret(base64.b64encode(key).decode()),
            claims=session.claims,
        )
        granted = await self._pool.login(
            credential.provider,
            request,
            on_event=lambda event: session.tell(_translate(event)),
            on_start=session.started,
        )
        sealed = SealedGrant(
            mint="login", grant=credential.name, family=0, generation=0, sealed=granted.sealed
        )
        fields = open_grant(sealed, key)
        session.given = True
        given = await self._keep(credential, fields, by_agent=session.by_agent)
        return given, fields.account

    def _forget_old(self) -> None:
        now = self._clock.elapsed()
        self._sessions = {
            name: each
            for name, each in self._sessions.items()
            if each.ended_at is None or now - each.ended_at < _REMEMBERED
        }


def _no_login(config: Config, credential: CredentialConfig) -> BrokerError:
    """Return the error for a credential that nobody logs in to: what to do instead."""
    name = credential.name
    if (behind := login_behind(config, credential)) is not None:
        text = f'has no login of its own, it is minted from "{behind.name}": run credward login '
        text += behind.name
    elif (kept := credential.meaning.handed_out) is not None:
        text = f"needs no login, it is a secret from {kept.describe()}: run credward get {name}"
    elif credential.provider == "local":
        text = f"needs no login, its tokens are signed on this machine: run credward get {name}"
    else:
        text = "has no login of its own: log in where its secret comes from, then run credward get "
        text += f"--fresh {name}"
    return BrokerError(Kind.BAD_REQUEST, f'"{name}" {text}')


def _translate(event: link.LoginStep) -> LoginEvent:
    return msgspec.convert(msgspec.to_builtins(event), LoginEvent)


def _error(failure: Failure) -> LoginEvent:
    return LoginEvent(
        event="error", kind=failure.kind.slug, message=failure.message, hint=failure.hint
    )


def _shown(field: str) -> str:
    return "".join(each for each in field[:40] if each.isprintable())
