"""One audit line per answer, written before the answer leaves.

Knows what a line holds; `audit` writes lines to disk.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypedDict, Unpack

import msgspec

from credward.audit import AuditEntry, AuditLog
from credward.callers.caller import Caller
from credward.clock import Clock
from credward.errors import Kind
from credward.issuing.authorized import Authorized

__all__ = ["Denial", "Recorder"]


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """Who was denied something, when (Unix seconds), and by which rule, None: no rule permits.

    *last*: nobody was served since.
    *message* is what the caller was told; it may hold what the caller said of itself.
    """

    at: float
    caller: Caller
    rule: str | None
    last: bool = True
    message: str = ""


class _Facts(TypedDict, total=False):
    kind: str | None
    token_id: str | None
    upstream_id: str | None


class Recorder:
    """Records decisions and tokens handed out; raises if that cannot be written."""

    def __init__(self, *, clock: Clock, audit: AuditLog) -> None:
        self._clock = clock
        self._audit = audit

    def denied(
        self,
        action: str,
        credential: str,
        format_name: str,
        caller: Caller,
        rule: str | None,
        *,
        variables: tuple[str, ...] = (),
        message: str = "",
    ) -> Denial:
        """Record that policy said no; *variables* are names of ours, *message* is not recorded."""
        now = self._clock.now()
        self._audit.record(
            AuditEntry.of(
                now,
                caller,
                action=action,
                credential=credential,
                format=format_name,
                outcome="denied",
                kind=Kind.DENIED.slug,
                rule=rule,
                variables=variables,
            )
        )
        return Denial(at=now, caller=caller, rule=rule, message=message)

    def failed(self, authorized: Authorized, kind: Kind) -> None:
        """Record that an allowed request got no token."""
        self._write(authorized, "failed", kind=kind.slug)

    def release(
        self, authorized: Authorized, token_id: str, upstream_id: str | None
    ) -> Awaitable[None] | None:
        """Record what is about to be handed out; await the result if there is one."""
        entry = self._entry(authorized, "issued", token_id=token_id, upstream_id=upstream_id)
        return self._audit.commit(entry)

    def refreshed(self, authorized: Authorized, token_id: str, upstream_id: str | None) -> None:
        """Record a forced mint; nothing is handed out."""
        self._write(authorized, "refreshed", token_id=token_id, upstream_id=upstream_id)

    def rejected(self, authorized: Authorized, token_id: str | None, reason: str) -> None:
        """Record a caller's report that a token was refused where it is used, and its *reason*."""
        self._write(authorized, "rejected", token_id=token_id, kind=reason)

    def managed(self, authorized: Authorized, outcome: str) -> None:
        """Record an action on a grant: a login started, a grant dropped."""
        self._write(authorized, outcome)

    def acted(self, caller: Caller, action: str, outcome: str, *, about: str = "*") -> None:
        """Record an action *about* no single credential: a lock, a stored secret."""
        self._audit.record(
            AuditEntry.of(
                self._clock.now(),
                caller,
                action=action,
                credential=about,
                format="-",
                outcome=outcome,
            )
        )

    def _write(self, authorized: Authorized, outcome: str, **facts: Unpack[_Facts]) -> None:
        self._audit.record(self._entry(authorized, outcome, **facts))

    def _entry(self, authorized: Authorized, outcome: str, **facts: Unpack[_Facts]) -> AuditEntry:
        return AuditEntry.of(
            self._clock.now(),
            authorized.caller,
            action=authorized.action,
            credential=authorized.credential.name,
            format=authorized.token_request.format,
            outcome=outcome,
            rule=authorized.rules[0] if authorized.rules else None,
            request_id=authorized.request_id,
            **facts,
        )
