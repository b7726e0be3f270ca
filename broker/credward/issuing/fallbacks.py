"""Chains of credentials that stand in for each other: who is asked next, and who is left alone.

Knows the configuration and what the lifecycle holds; the judgement is `lifecycle.failover`, asking
is `issuer`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable

import msgspec

from credward.callers.caller import Caller
from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import Failure, Recovery
from credward.lifecycle.failover import Failover, Window, WindowState
from credward.lifecycle.vocabulary import State, Verdict, View

__all__ = ["Fallbacks", "Skipped"]

_Entry = tuple[str, str]
_HOLDS_A_TOKEN = (State.FRESH, State.REFRESHING, State.SUSPECT, State.STALE)


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """An entry that is not asked now, for this *reason*; instants are Unix seconds.

    *since* is None where that is not known, *until* where it lasts until somebody acts.
    """

    credential: str
    state: WindowState
    failure: Failure
    reason: str
    since: float | None = None
    until: float | None
    remaining: float | None


class Fallbacks:
    """The chains of the configuration in force.

    *holds* tells whether a credential hands out the token of that id.
    """

    def __init__(
        self, *, clock: Clock, view: Callable[[str], View], holds: Callable[[str, str], bool]
    ) -> None:
        self._clock = clock
        self._view = view
        self._holds = holds
        self._failover = Failover[_Entry]()
        self._config: Config | None = None

    def names(self, config: Config, asked: CredentialConfig) -> list[str]:
        """Return *asked* and all that may stand in for it."""
        return [name for name, _ in _chain(config, asked)]

    def order(self, config: Config, asked: CredentialConfig, caller: Caller) -> list[str]:
        """Return the names to be tried for an ask of *asked*, best first; never none."""
        now = self._look(config)
        chain = _chain(config, asked)
        for entry in chain:
            self._reconsider(entry, now)
        return [name for name, _ in self._failover.order(chain, _session(caller), now)]

    def meant(
        self, config: Config, asked: CredentialConfig, caller: Caller, token_id: str | None
    ) -> str:
        """Return the entry whose token this caller means: it knows only the name it asked for.

        That is the one that holds *token_id*, else the one that its session is served by.
        """
        self._look(config)
        if token_id is not None:
            for name, _ in _chain(config, asked):
                if self._holds(name, token_id):
                    return name
        return self._failover.serving(_chain(config, asked), _session(caller))[0]

    def failed(self, entry: CredentialConfig, failure: Failure) -> None:
        """Note that *entry* gave no token."""
        self._failover.failed(_entry(entry), failure, self._clock.now())

    def served(
        self, config: Config, asked: CredentialConfig, entry: CredentialConfig, caller: Caller
    ) -> None:
        """Note that an ask of *asked* was answered by *entry*."""
        self._failover.served(_chain(config, asked), _entry(entry), _session(caller))

    def failure_of(self, asked: CredentialConfig) -> Failure | None:
        """Return why *asked* is left alone, None where it is not."""
        now = self._clock.now()
        window = self._failover.window(_entry(asked), now)
        if window is None:
            return None
        remaining = window.remaining(now)
        return msgspec.structs.replace(
            window.failure,
            retry_after=None if window.state is WindowState.DISABLED else remaining,
        )

    def unusable(self, config: Config) -> list[Skipped]:
        """Return the credentials that give no token now, also those of no chain."""
        now = self._look(config)
        found = []
        for credential in config.credentials.values():
            self._reconsider(_entry(credential), now)
            view = self._view(credential.name)
            window = self._failover.window(_entry(credential), now) or _window(view, now)
            if view.verdict is not None and view.failure is not None:
                found.append(_rejected(view, view.failure, view.verdict, now))
            elif window is not None:
                unending = math.isinf(window.until)
                found.append(
                    Skipped(
                        credential=credential.name,
                        state=window.state,
                        failure=window.failure,
                        reason=window.failure.kind.slug,
                        until=None if unending else window.until,
                        remaining=None if unending else max(0.0, window.remaining(now)),
                    )
                )
        return found

    def _look(self, config: Config) -> float:
        """Forget what a reload changed, and return the time."""
        if config is not self._config:
            self._config = config
            self._failover.keep_only(_entry(each) for each in config.credentials.values())
        return self._clock.now()

    def _reconsider(self, entry: _Entry, now: float) -> None:
        """Close a window whose reason has gone meanwhile: a login, a refresh in the background."""
        window = self._failover.window(entry, now)
        if window is None:
            return
        view = self._view(entry[0])
        if window.state is WindowState.DISABLED:
            gone = not view.state.needs_somebody
        else:
            # What it failed with was taken away: a new secret, another login.
            gone = view.state in {State.EMPTY, State.EXPIRED} and view.failure is None
        if gone or view.state in _HOLDS_A_TOKEN:
            self._failover.succeeded(entry)


def _entry(credential: CredentialConfig) -> _Entry:
    return credential.name, credential.epoch


def _chain(config: Config, asked: CredentialConfig) -> list[_Entry]:
    """Return *asked* and all that may stand in for it, each with its own after it."""
    chain: list[_Entry] = []
    todo = [asked.name]
    while todo:
        credential = config.credentials.get(todo.pop(0))
        if credential is not None and _entry(credential) not in chain:
            chain.append(_entry(credential))
            todo = [*credential.fallback, *todo]
    return chain


def _session(caller: Caller) -> Hashable | None:
    """Return what the asks of one session have in common: the agent; None where there is none."""
    return None if caller.agent is None else (caller.agent.pid, caller.agent.start_time)


def _rejected(view: View, failure: Failure, verdict: Verdict, now: float) -> Skipped:
    """Return what is unusable because of a report, however it was found out."""
    heals = failure.recovery is Recovery.RETRY
    return Skipped(
        credential=view.credential,
        state=WindowState.COOLDOWN if heals else WindowState.DISABLED,
        failure=failure,
        reason=verdict.reason.value,
        since=verdict.since,
        until=verdict.until,
        remaining=None if verdict.until is None else max(0.0, verdict.until - now),
    )


def _window(view: View, now: float) -> Window | None:
    """Return the window of a credential that nobody asked for by a chain, as its state has it."""
    if view.failure is None or view.state in _HOLDS_A_TOKEN:
        return None
    if view.state is State.PARKED:
        until = math.inf if view.retry_at is None else view.retry_at
        state = WindowState.DISABLED
    elif view.retry_at is not None:
        until, state = view.retry_at, WindowState.COOLDOWN
    else:
        return None
    return Window(state=state, failure=view.failure, until=until, length=until - now)
