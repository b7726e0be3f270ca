"""The asyncio driver of the lifecycle: events in, commands out.

`lifecycle` decides about time, `issuer` about callers; `token_cache` keeps the tokens.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, Protocol, assert_never

import msgspec

from credward.clock import Clock
from credward.errors import BrokerError, Failure, Kind
from credward.lifecycle.machine import Lifecycle
from credward.lifecycle.vocabulary import (
    Accepted,
    Asked,
    Command,
    Configured,
    Drop,
    Event,
    Fail,
    Forced,
    GrantCleared,
    GrantParked,
    Minted,
    MintFailed,
    Park,
    Plan,
    Reason,
    Rejected,
    Restored,
    Serve,
    StartMint,
    StoreOpened,
    TokenKey,
    TokensDropped,
    View,
    WaiterLeft,
    Woke,
)
from credward.minting.token_cache import Held, TokenCache, TokenFacts
from credward.tokens import TokenKind

__all__ = ["Answer", "Driver", "Listeners", "Mint", "MintedBody", "Owner", "Wakeups"]

_log = logging.getLogger(__name__)


class MintedBody(Protocol):
    """The result of a mint: the token as bytes that we seal and wipe, and the facts about it."""

    body: bytearray
    kind: TokenKind
    issued_at: float
    expires_at: float | None
    audience: str | None
    upstream_id: str | None
    token_id: str
    warning: str | None


class Wakeups(Protocol):
    """Calls back at a deadline and when the wall clock may have jumped; extra calls do no harm.

    `daemon.wakeups` has one for Linux and one for other systems.
    """

    def watch(self, wake: Callable[[], None]) -> None:
        """Call *wake* from now on."""
        ...

    def set(self, seconds: float) -> None:
        """Call back in so many seconds (infinite: no deadline); replaces the previous deadline."""
        ...

    def close(self) -> None:
        """Stop calling."""
        ...


Mint = Callable[[TokenKey], Awaitable[MintedBody]]


class Owner(Protocol):
    """Gets told when only a human can help."""

    def login_needed(self, grant: str) -> None:
        """Note that a mint showed that a login is needed."""
        ...

    def login_given(self, grant: str) -> None:
        """Note that mints work."""
        ...


def _nothing(*_: object) -> None:
    """For nobody."""


class Listeners(msgspec.Struct, frozen=True, kw_only=True):
    """Hear what happens, each at once and without waiting.

    *owner* hears of needed logins. *changed* hears the name of a credential whose token came, went,
    or could not be minted; *withdrawn* that no earlier token of it may be used, not even one that
    an earlier run of the daemon handed out. *scrub*: a token was dropped from memory.
    """

    owner: Owner | None = None
    changed: Callable[[str], None] = _nothing
    withdrawn: Callable[[str], None] = _nothing
    scrub: Callable[[], None] = _nothing


class Answer(msgspec.Struct, frozen=True):
    """A token that may be handed out now. *short*: it lasts less long than asked."""

    held: Held
    short: bool


_NO_LISTENERS = Listeners()


class Driver:
    """Runs one `Lifecycle` on the event loop."""

    def __init__(
        self,
        *,
        clock: Clock,
        mint: Mint,
        cache: TokenCache,
        wakeups: Wakeups,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        listeners: Listeners = _NO_LISTENERS,
    ) -> None:
        self._clock = clock
        self._mint = mint
        self._cache = cache
        self._listeners = listeners
        self._spawn = spawn
        self._lifecycle = Lifecycle()
        self._plans: dict[str, Plan] = {}
        self._waiters: dict[int, asyncio.Future[Answer]] = {}
        self._next_waiter = 0
        # The answer that the lifecycle gave at once, so that the hot path needs no future.
        self._immediate: Answer | Failure | None = None
        self._wakeups = wakeups
        self._wakes_at = math.inf
        self._jitter = random.SystemRandom().random
        wakeups.watch(self._wake)
        wakeups.set(math.inf)

    # --- what the issuer calls --------------------------------------------------------------

    def configure(self, plans: Iterable[Plan]) -> None:
        """Set the credentials that exist; tokens of changed or removed ones are dropped."""
        self._plans = {each.credential: each for each in plans}
        self._configured()

    def ask(
        self,
        key: TokenKey,
        *,
        min_remaining: float,
        asker: Hashable | None,
        cache_ttl: float | None,
        settling: float = 0.0,
    ) -> Answer | asyncio.Future[Answer]:
        """Return a token at once if there is one, else a future; raise if a mint cannot help."""
        self._next_waiter += 1
        waiter = self._next_waiter
        return self._ask(
            waiter,
            Asked(
                key=key,
                waiter=waiter,
                min_remaining=min_remaining,
                asker=asker,
                cache_ttl=cache_ttl,
                settling=settling,
            ),
        )

    def force(self, key: TokenKey) -> Answer | asyncio.Future[Answer]:
        """Force a mint, and return its result."""
        self._next_waiter += 1
        return self._ask(self._next_waiter, Forced(key=key, waiter=self._next_waiter))

    def holds(self, credential: str, token_id: str) -> bool:
        """Return whether this token of *credential* is handed out now."""
        return self.facts(credential, token_id) is not None

    def facts(self, credential: str, token_id: str) -> TokenFacts | None:
        """Return what is known of a token of *credential*, None if it is not handed out now."""
        return next(
            (
                held
                for key, held in self._cache.all()
                if key.credential == credential and held.token_id == token_id
            ),
            None,
        )

    def held(self, key: TokenKey) -> TokenFacts | None:
        """Return what is known of the token of *key*, None if there is none."""
        return next((held for each, held in self._cache.all() if each == key), None)

    def reject(
        self, credential: str, token_id: str, reason: Reason, until: float | None = None
    ) -> None:
        """Note that this token was refused where it is used; see `Rejected`."""
        self._handle(Rejected(credential=credential, token_id=token_id, reason=reason, until=until))

    def accepted(self, credential: str, token_id: str) -> None:
        """Note that a service took this token just now."""
        self._handle(Accepted(credential=credential, token_id=token_id))

    def grant_given(self, grant: str, *, drop: bool = False, same_secret: bool = False) -> None:
        """Note that the grant got what it waited for: a login, a secret, a file.

        *drop*: older tokens are no longer handed out. *same_secret*: reports on it stay.
        """
        self._handle(GrantCleared(grant=grant, drop=drop, same_secret=same_secret))
        if drop:
            self._withdraw(grant)

    def grant_parked(self, grant: str, failure: Failure, *, drop: bool = False) -> None:
        """Note that the grant waits for a human; *drop*: its tokens are no longer handed out."""
        self._handle(GrantParked(grant=grant, failure=failure, drop=drop))
        if drop:
            self._withdraw(grant)

    def restore(self) -> None:
        """Take the tokens that an earlier run of the daemon left."""
        for key, held in self._cache.restore():
            assert held.expires_at is not None
            self._handle(
                Restored(
                    key=key,
                    token_id=held.token_id,
                    issued_at=held.issued_at,
                    expires_at=held.expires_at,
                    minted_at=held.minted_at,
                    jitter=self._jitter(),
                )
            )
            self._listeners.changed(key.credential)

    def drop_all(self, failure: Failure) -> None:
        """Forget every token and every running mint: callers that wait get *failure*."""
        self._handle(TokensDropped(failure=failure))
        for name in self._plans:
            self._listeners.withdrawn(name)

    def store_opened(self) -> None:
        """Note that the store can be read."""
        self._handle(StoreOpened())
        # What it kept back may be handed out now.
        for name in self._plans:
            self._listeners.changed(name)

    def drop(self, credential: str) -> None:
        """Forget the tokens of one credential, its failures, and its running mint."""
        others = (each for each in self._plans.values() if each.credential != credential)
        self._handle(Configured(plans=tuple(others)))
        self._configured()
        self._listeners.withdrawn(credential)

    def _withdraw(self, grant: str) -> None:
        for plan in self._plans.values():
            if plan.grant == grant:
                self._listeners.withdrawn(plan.credential)

    def _configured(self) -> None:
        self._handle(Configured(plans=tuple(self._plans.values())))

    def open(self, held: Held) -> bytearray:
        """Return the plain token; the caller wipes it."""
        return self._cache.open(held)

    def view(self, credential: str) -> View:
        """Return what `status` shows of one credential."""
        return self._lifecycle.view(credential, self._clock.now())

    def warnings(self) -> list[str]:
        """Return the providers' notes on tokens that are held."""
        return sorted(
            {
                f'"{key.credential}" {held.warning}'
                for key, held in self._cache.all()
                if held.warning
            }
        )

    def close(self) -> None:
        """Stop waking up."""
        self._wakeups.close()

    # --- the loop ---------------------------------------------------------------------------

    def _ask(self, waiter: int, event: Asked | Forced) -> Answer | asyncio.Future[Answer]:
        self._immediate = None
        self._handle(event, waiting_for=waiter)
        match self._immediate:
            case None:
                future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
                self._waiters[waiter] = future
                future.add_done_callback(lambda done: self._left(waiter, done))
                return future
            case Failure() as failure:
                raise failure.error()
            case answer:
                return answer

    def _left(self, waiter: int, future: asyncio.Future[Answer]) -> None:
        if self._waiters.pop(waiter, None) is not None and future.cancelled():
            self._handle(WaiterLeft(waiter=waiter))

    def _handle(self, event: Event, *, waiting_for: int | None = None) -> None:
        now = self._clock.now()
        for command in self._lifecycle.handle(event, now):
            self._carry_out(command, waiting_for)
        self._set_wakeup(now)

    def _carry_out(self, command: Command, waiting_for: int | None) -> None:
        match command:
            case Serve(waiter=waiter):
                held = self._cache.get(command.key, command.token_id)
                answer = Answer(held, command.short)
                if waiter == waiting_for:
                    self._immediate = answer
                elif (future := self._waiters.pop(waiter, None)) and not future.done():
                    future.set_result(answer)
            case Fail(waiter=waiter, failure=failure):
                if waiter == waiting_for:
                    self._immediate = failure
                elif (future := self._waiters.pop(waiter, None)) and not future.done():
                    future.set_exception(failure.error())
            case StartMint(key=key, flight=flight):
                self._spawn(self._fly(key, flight))
            case Drop(key=key, token_id=token_id):
                self._cache.drop(key, token_id)
                self._listeners.scrub()
                self._listeners.changed(key.credential)
            case Park(grant=grant, failure=failure):
                _log.warning("grant %s is parked: %s", grant, failure.message)
                if self._listeners.owner is not None:
                    self._listeners.owner.login_needed(grant)
            case _:
                assert_never(command)

    async def _fly(self, key: TokenKey, flight: int) -> None:
        try:
            minted = await self._mint(key)
        except BrokerError as error:
            self._fail(key, flight, error.failure)
        except Exception:  # noqa: BLE001 - waiters must never be left hanging
            # A defect of ours must not leave waiters hanging; the traceback goes to our own log.
            _log.exception("minting %s failed unexpectedly", key.credential)
            defect = Failure.of(
                Kind.INTERNAL, f'"{key.credential}" failed (a bug): run credward doctor'
            )
            self._fail(key, flight, defect)
        else:
            self._land(key, flight, minted)

    def _land(self, key: TokenKey, flight: int, minted: MintedBody) -> None:
        facts = TokenFacts(
            token_id=minted.token_id,
            kind=minted.kind,
            issued_at=minted.issued_at,
            expires_at=minted.expires_at,
            audience=minted.audience,
            upstream_id=minted.upstream_id,
            warning=minted.warning,
            minted_at=self._clock.now(),
        )
        if self._lifecycle.awaits(key, flight):
            self._cache.put(key, facts, minted.body)
        else:
            minted.body[:] = bytes(len(minted.body))
        self._handle(
            Minted(
                key=key,
                flight=flight,
                token_id=facts.token_id,
                issued_at=facts.issued_at,
                expires_at=facts.expires_at,
                jitter=self._jitter(),
            )
        )
        owner, plan = self._listeners.owner, self._plans.get(key.credential)
        if owner is not None and plan is not None:
            owner.login_given(plan.grant)
        self._listeners.changed(key.credential)

    def _fail(self, key: TokenKey, flight: int, failure: Failure) -> None:
        _log.warning("%s could not be minted: %s", key.credential, failure.message)
        self._handle(MintFailed(key=key, flight=flight, failure=failure, jitter=self._jitter()))
        self._listeners.changed(key.credential)

    def _set_wakeup(self, now: float) -> None:
        wake_at = self._lifecycle.wake_at()
        # Most requests do not change the next deadline: it is set again only for an earlier one.
        if wake_at is None or wake_at >= self._wakes_at:
            return
        self._wakes_at = wake_at
        self._wakeups.set(wake_at - now)

    def _wake(self) -> None:
        # Woken by the deadline or a clock change: either way the deadline that was set is outdated.
        self._wakes_at = math.inf
        self._handle(Woke())
