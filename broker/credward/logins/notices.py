"""When to tell the owner that a login is needed or ends soon: once, and never too often.

Only counts and waits; `daemon` runs the program that tells the owner.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec

from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.config.sources import login_behind
from credward.grants.grant_record import GrantView

__all__ = ["LoginNotices", "Notice"]

# Events in this time become one notice; then there is none for a while (seconds).
_GATHER, _PAUSE = 1.0, 30.0
# How often ends are checked: a timer stops while the machine sleeps (seconds).
_LOOK = 60.0
# The end of a login is announced in the last tenth of its life: 5 minutes to 3 days before.
_LEAST, _MOST = 300.0, 3 * 86_400.0
# Shorter logins are renewed by use; only status shows their end (seconds).
_WORTH_TELLING = 3600.0
_NAMED = 5

Event = Literal["login-required", "login-ends"]


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A notice for the owner: one line for a human, and the names for a program. No secrets."""

    event: Event
    credentials: tuple[str, ...]
    text: str


class LoginNotices:
    """*view* returns the facts on a grant, *run* sends the notice and never raises."""

    def __init__(
        self,
        *,
        clock: Clock,
        config: Callable[[], Config],
        view: Callable[[str], GrantView],
        run: Callable[[tuple[str, ...], Notice], Coroutine[Any, Any, None]],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
    ) -> None:
        self._clock = clock
        self._config = config
        self._view = view
        self._run = run
        self._spawn = spawn
        self._pending: dict[str, Event] = {}
        # Grants whose need for a login was announced, and announced ends.
        self._needed: set[str] = set()
        self._ends: dict[str, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._look_timer: asyncio.TimerHandle | None = None
        self._telling = False
        self._closed = False
        self._quiet_until = 0.0
        self._since = clock.now()

    # --- what happens -----------------------------------------------------------------------

    def login_needed(self, grant: str) -> None:
        """Note that a grant cannot be used until somebody logs in."""
        if grant in self._needed:
            return
        self._needed.add(grant)
        parked_at = self._view(grant).parked_at
        # If an earlier daemon parked it, that daemon told the owner.
        if parked_at is None or parked_at >= self._since:
            self._add(grant, "login-required")

    def login_given(self, grant: str) -> None:
        """Note that it can be used again."""
        self._needed.discard(grant)
        self._pending.pop(grant, None)

    def configured(self) -> None:
        """Check the ends of logins from now on, if notices are wanted."""
        if self._look_timer is not None:
            self._look_timer.cancel()
            self._look_timer = None
        if self._config().notify.login_required:
            self._look()

    def close(self) -> None:
        """Stop."""
        self._closed = True
        for timer in (self._timer, self._look_timer):
            if timer is not None:
                timer.cancel()

    # --- what is said -----------------------------------------------------------------------

    def warnings(self) -> list[str]:
        """Return one line for each login that ends soon."""
        return [_ends_text(each.name, view) for each, view in self._ending()]

    def _ending(self) -> Iterator[tuple[CredentialConfig, GrantView]]:
        now = self._clock.now()
        for grant, credential in self._grants().items():
            view = self._view(grant)
            if view.parked_at is None and view.ends_at is not None:
                lead = _lead(_life(view))
                if view.ends_at - lead <= now < view.ends_at:
                    yield credential, view

    def _grants(self) -> Mapping[str, CredentialConfig]:
        """Return the grants that need a human login, each with its first credential."""
        return {
            grant: first for grant, first in self._first().items() if first.meaning.grant.logins
        }

    # --- when -------------------------------------------------------------------------------

    def _look(self) -> None:
        self._look_timer = asyncio.get_running_loop().call_later(_LOOK, self._look)
        for credential, view in self._ending():
            assert view.ends_at is not None
            told = self._ends.get(credential.grant)
            if _life(view) >= _WORTH_TELLING and (told is None or view.ends_at > told + _LOOK):
                self._ends[credential.grant] = view.ends_at
                self._add(credential.grant, "login-ends")

    def _add(self, grant: str, event: Event) -> None:
        self._pending[grant] = event
        self._tell_soon()

    def _tell_soon(self) -> None:
        if self._pending and self._timer is None and not (self._telling or self._closed):
            wait = max(_GATHER, self._quiet_until - self._clock.elapsed())
            self._timer = asyncio.get_running_loop().call_later(wait, self._begin)

    def _begin(self) -> None:
        self._timer = None
        pending, self._pending = self._pending, {}
        command = self._config().notify.login_required
        if command and (notices := self._notices(pending)):
            self._telling = True
            self._spawn(self._tell(command, notices))

    async def _tell(self, command: tuple[str, ...], notices: list[Notice]) -> None:
        try:
            for notice in notices:
                await self._run(command, notice)
        finally:
            self._telling = False
            self._quiet_until = self._clock.elapsed() + _PAUSE
            self._tell_soon()

    def _notices(self, pending: Mapping[str, Event]) -> list[Notice]:
        notices = []
        first = self._first()
        needed = [
            first[grant]
            for grant, event in pending.items()
            if event == "login-required" and grant in first
        ]
        if needed:
            notices.append(
                Notice(
                    event="login-required",
                    credentials=tuple(each.name for each in needed),
                    text=self._needed_text(needed),
                )
            )
        for credential, view in self._ending():
            if pending.get(credential.grant) == "login-ends":
                text = _ends_text(credential.name, view)
                notices.append(
                    Notice(event="login-ends", credentials=(credential.name,), text=text)
                )
        return notices

    def _needed_text(self, credentials: list[CredentialConfig]) -> str:
        first = credentials[0]
        named = [_named(each.name, self._view(each.grant)) for each in credentials[:_NAMED]]
        if len(credentials) == 1:
            # If another tool logs in (az, ant), status says what to type.
            behind = login_behind(self._config(), first)
            command = f"status {first.name}" if behind is None else f"login {behind.name}"
            return f"{named[0]} needs a login: run credward {command}"
        more = f" and {len(credentials) - _NAMED} more" if len(credentials) > _NAMED else ""
        return f"{', '.join(named)}{more} need a login: run credward status"

    def _first(self) -> Mapping[str, CredentialConfig]:
        """Return each grant with its first credential, whose name people know."""
        found: dict[str, CredentialConfig] = {}
        for each in self._config().credentials.values():
            found.setdefault(each.grant, each)
        return found


def _life(view: GrantView) -> float:
    """Return how long a login lasts in total, from its start or its last extension."""
    assert view.ends_at is not None
    return view.ends_at - max(view.given_at or 0.0, view.extended_at or 0.0)


def _lead(life: float) -> float:
    return min(_MOST, max(life / 10, min(_LEAST, life / 2)))


def _ends_text(name: str, view: GrantView) -> str:
    assert view.ends_at is not None
    ends = datetime.fromtimestamp(view.ends_at)  # noqa: DTZ006 - the user's clock
    named = _named(name, view)
    return f"the login of {named} ends on {ends:%a %d %b at %H:%M}: run credward login {name}"


def _named(name: str, view: GrantView) -> str:
    """Return a credential and whose login it has; people have several accounts."""
    return f'"{name}"' if view.account is None else f'"{name}" ({view.account})'
