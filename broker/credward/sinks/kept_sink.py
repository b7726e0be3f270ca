"""One sink of the configuration: carries out what `state` says, and remembers how it went.

`sinks` has all of them and hears what happens; the kinds of files are in their own modules.
"""

from __future__ import annotations

import errno
import logging
import math
import shlex
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from credward.clock import Clock
from credward.config import CredentialConfig, SinkConfig
from credward.errors import BrokerError, Failure, Kind
from credward.issuing.released import Released
from credward.sinks.aside import aside
from credward.sinks.asking import SinkAsking
from credward.sinks.kinds import make_sink
from credward.sinks.ours import NotOursError
from credward.sinks.places import Places
from credward.sinks.state import (
    Facts,
    SinkState,
    Step,
    Written,
    either,
    next_step,
    pause,
    state_of,
    wake_at,
)
from credward.workers.token_bytes import wipe

__all__ = ["KeptSink"]

_log = logging.getLogger(__name__)


class KeptSink:
    """Keeps *config* fresh; *written* is what an earlier run left there."""

    def __init__(
        self,
        config: SinkConfig,
        *,
        clock: Clock,
        asking: SinkAsking,
        places: Places,
        written: Written | None,
        rewritten: Callable[[SinkConfig], None],
    ) -> None:
        self.config = config
        self.denied: Failure | None = None
        self.written = written
        self.failure: Failure | None = None
        self._clock = clock
        self._asking = asking
        self._places = places
        self._rewritten = rewritten
        self._sink = make_sink(config)
        self._failed: frozenset[Step] = frozenset()
        self._failures, self._not_before = 0, -math.inf
        self._looks = False

    @property
    def credential(self) -> CredentialConfig | None:
        """The credential whose token it holds, None if it was just removed."""
        return self._asking.config.credentials.get(self.config.credential)

    @property
    def names(self) -> set[str]:
        """The credentials that may be in it."""
        credential = self.credential
        return {self.config.credential, *(credential.fallback if credential else ())}

    @property
    def state(self) -> SinkState:
        """How it is now."""
        return state_of(self._facts(), self._clock.now())

    @property
    def reason(self) -> Failure | None:
        """Why it is not fresh, None if it is or nothing says so."""
        credential = self.credential
        source = None if credential is None else self._asking.failure(credential)
        return self.denied or self.failure or source

    @property
    def wake_at(self) -> float:
        """When to settle it again though nothing happened (Unix seconds)."""
        return wake_at(self._facts(), self._clock.now())

    def withdraw(self) -> None:
        """Note that the token in it must not be used any more."""
        if self.written is not None:
            self.written = msgspec.structs.replace(self.written, ends_at=-math.inf)

    def notice(self) -> None:
        """Look at once whether its token was dropped without another one in its place.

        Then it has ended or was refused; one that was only replaced is good until its end.
        """
        written = self.written
        if written is None or written.earlier:
            return
        source = self._asking.config.credentials.get(written.credential)
        if source is None or (
            self._asking.current(source) is None
            and not self._asking.holds(written.credential, written.token_id)
        ):
            self.withdraw()

    def look_again(self) -> None:
        """End the pause, and see what is there: people may have changed something."""
        self._end_pause()
        self._looks = True

    async def settle(self) -> None:
        """Do what is to be done, until nothing is."""
        if self._looks:
            self._looks = False
            await self._look()
        while True:
            match next_step(self._facts(), self._clock.now()):
                case Step.WRITE:
                    await self._try(Step.WRITE)
                case Step.REMOVE:
                    await self._try(Step.REMOVE)
                case _:
                    return

    async def remove(self) -> bool:
        """Remove what is ours for good; return whether that worked."""
        await self._try(Step.REMOVE)
        if self.written is not None:
            return False
        await self._note(self._places.forget(self.config))
        return True

    async def _look(self) -> None:
        """See whether what is there is ours."""
        ours = self._places.marks(self.config)
        self.failure, self._failed = None, frozenset()
        if not ours:
            return
        try:
            held = await aside(lambda: self._sink.holds(ours))
        except FileNotFoundError:
            # Not even its folder.
            held = False
        except NotOursError as error:
            await self._leave(Step.WRITE, error)
            return
        except (BrokerError, OSError) as error:
            _log.warning("%s cannot be looked at: %s", self.config.name, error)
            return
        if not held:
            self.written = None
        elif self.written is None:
            # Somebody put it back.
            self.written = self._places.written(self.config)

    # --- the steps ---------------------------------------------------------------------------

    async def _try(self, step: Step) -> None:
        try:
            await (self._write() if step is Step.WRITE else self._remove())
        except NotOursError as error:
            await self._leave(step, error)
        except BrokerError as error:
            self._note_failure(step, error.failure)
        except OSError as error:
            self._note_failure(step, _explained(self.config, step, error))
        except Exception:  # noqa: BLE001 - a defect here must not end the daemon
            _log.exception("%s failed unexpectedly", self.config.name)
            text = f'"{self.config.name}" failed (a bug): run credward doctor'
            self._note_failure(step, Failure.of(Kind.INTERNAL, text))
        else:
            self._failed -= {step}
            if not self._failed or step is Step.WRITE:
                self.failure, self._failed = None, frozenset()
                self._end_pause()

    async def _write(self) -> None:
        credential = self.credential
        if credential is None:
            return
        ours = self._places.marks(self.config)
        # Before anything is asked for: what cannot be written is not handed out.
        there = await aside(lambda: self._sink.check(ours))
        released = await self._asking.issue(self.config)
        look = self._asking.look(self.config, credential)
        written = _what(released, look, self._clock.now())
        # In the words of the named credential, whichever served.
        body = self._sink.shaped(released.token(), credential, self._clock.now())
        try:
            fresh = self._sink.marks(body, credential)
            # First, because a kill may come before or after the file is replaced.
            noted = either(self.written, written)
            await self._places.note(self.config, noted, there + fresh)
            if self.written is None:
                # Whatever becomes of it: it may be there from now on.
                self.written = self._places.written(self.config)
            await aside(lambda: self._sink.write(body, credential, there))
        finally:
            wipe(body)
        self.written = written
        _log.info("%s holds token %s of %s", self.config.name, written.token_id, credential.name)
        # Else the record ends earlier: the next daemon removes the file too soon.
        await self._note(self._places.note(self.config, written, fresh))
        self._rewritten(self.config)

    async def _remove(self) -> None:
        ours = self._places.marks(self.config)
        left = False
        try:
            left = await aside(lambda: self._sink.remove(ours))
        except FileNotFoundError:
            _log.info("%s: its folder is gone", self.config.name)
        self.written = None
        _log.info("%s holds nothing of ours", self.config.name)
        if left:
            await self._places.note(self.config, None, ours)
        else:
            await self._places.forget(self.config)

    async def _leave(self, step: Step, error: NotOursError) -> None:
        """Leave alone what is not ours; what else of ours is there has to go.

        The marks stay: if what is there fits them again, it is ours again.
        """
        self._note_failure(step, error.failure)
        if step is not Step.REMOVE:
            self.withdraw()
            return
        self.written = None
        if marks := self._places.marks(self.config):
            await self._note(self._places.note(self.config, None, marks))

    async def _note(self, noting: Coroutine[Any, Any, None]) -> None:
        """Await *noting*, which concerns the next daemon only."""
        try:
            await noting
        except OSError as error:
            _log.warning("%s: its record is not written: %s", self.config.name, error.strerror)

    def _end_pause(self) -> None:
        self._failures, self._not_before = 0, -math.inf

    def _note_failure(self, step: Step, failure: Failure) -> None:
        if self.failure is None or self.failure.message != failure.message:
            _log.error("%s: %s", self.config.name, failure.message)
        self.failure = failure
        now = self._clock.now()
        if now < self._not_before:
            # Both steps failed: they wait alike, or they would take turns without end.
            self._failed |= {step}
            return
        self._failed = frozenset({step})
        self._failures += 1
        self._not_before = now + pause(self._failures)

    def _facts(self) -> Facts:
        credential, written = self.credential, self.written
        if credential is None:
            # It is being taken away with its credential.
            return Facts(denied=True, written=written)
        source = self._asking.failure(credential)
        look = self._asking.look(self.config, credential)
        return Facts(
            locked=self._asking.locked,
            denied=self.denied is not None,
            current=self._asking.current(credential),
            look=look,
            written=written,
            usable=written is not None and written.look == look,
            stands_in=bool(credential.fallback) and source is not None,
            failing=source is not None or self.failure is not None,
            failed=self._failed,
            not_before=self._not_before,
        )


def _what(released: Released, look: str, now: float) -> Written:
    held = released.held
    return Written(
        credential=released.credential.name,
        token_id=held.token_id,
        ends_at=math.inf if held.expires_at is None else held.expires_at,
        at=now,
        look=look,
    )


def _explained(sink: SinkConfig, step: Step, error: OSError) -> Failure:
    """Return what the disk said, and what helps."""
    deed = "written" if step is Step.WRITE else "removed"
    why = error.strerror or "unknown error"
    if error.errno == errno.ENOENT and error.filename:
        folder = shlex.quote(str(error.filename))
        why, remedy = f'no folder "{error.filename}"', f"run mkdir -m 0700 {folder}"
    elif error.errno in {errno.ENOSPC, errno.EDQUOT}:
        remedy = "make room on that disk, it is tried again"
    elif error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        remedy = "make its folder writable, it is tried again"
    else:
        remedy = "see to that disk, it is tried again"
    return Failure.of(
        Kind.FIX_CONFIGURATION, f'"{sink.name}" cannot be {deed} ({why})', remedy=remedy
    )
