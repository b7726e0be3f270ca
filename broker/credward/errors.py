"""The closed table of error kinds, and the one exception that crosses a package boundary.

Says what went wrong and whose turn it is; how it is written to a client is the job of `wire` and
`cli`.
"""

from __future__ import annotations

import enum
from typing import Literal

__all__ = ["BrokerError", "Kind", "Recovery", "Sent"]

Sent = Literal["no", "maybe"]


class Recovery(enum.StrEnum):
    """What would clear a failure: time, a login, or a change of configuration."""

    RETRY = "retry"
    REAUTHORIZE = "reauthorize"
    FIX_CONFIGURATION = "fix-configuration"


class Kind(enum.Enum):
    """A kind of failure: problem slug, HTTP status (0 = never on the wire), sysexits code."""

    BAD_REQUEST = ("bad-request", 400, 64)
    LOGIN_REQUIRED = ("login-required", 401, 67)
    DENIED = ("denied", 403, 77)
    UNKNOWN_CREDENTIAL = ("unknown-credential", 404, 78)
    PROVIDER_REFUSED = ("provider-refused", 502, 76)
    PROVIDER_UNREACHABLE = ("provider-unreachable", 503, 75)
    STORE_LOCKED = ("store-locked", 503, 75)
    RATE_LIMITED = ("rate-limited", 429, 75)
    TIMED_OUT = ("timed-out", 504, 75)
    APPROVAL_REQUIRED = ("approval-required", 403, 66)
    FIX_CONFIGURATION = ("fix-configuration", 500, 78)
    RECURSION = ("recursion", 508, 78)
    NOT_RUNNING = ("not-running", 0, 69)
    ALREADY_RUNNING = ("already-running", 0, 73)
    INTERNAL = ("internal", 500, 70)

    def __init__(self, slug: str, status: int, exit_code: int) -> None:
        self.slug = slug
        self.status = status
        self.exit_code = exit_code

    @classmethod
    def from_slug(cls, slug: str) -> Kind:
        """Return the kind with this *slug*; an unknown one (a newer daemon) is `INTERNAL`."""
        return next((kind for kind in cls if kind.slug == slug), cls.INTERNAL)

    @property
    def recovery(self) -> Recovery:
        """The recovery that this kind implies when the failure does not name one."""
        match self:
            case Kind.LOGIN_REQUIRED:
                return Recovery.REAUTHORIZE
            case (
                Kind.PROVIDER_REFUSED
                | Kind.PROVIDER_UNREACHABLE
                | Kind.STORE_LOCKED
                | Kind.RATE_LIMITED
                | Kind.TIMED_OUT
                | Kind.NOT_RUNNING
                | Kind.INTERNAL
            ):
                return Recovery.RETRY
            case _:
                return Recovery.FIX_CONFIGURATION


class BrokerError(Exception):
    """A failure of a closed kind, safe to show: no secret and no upstream body in it.

    *message* is one line without the program's name that holds the cause, subject first, and ends
    in the command that helps where there is one; *hint* is further help for a terminal.
    *retry_after* is in seconds. *sent* says whether an upstream request may have reached the
    server. *challenge* is what the next login has to meet, as JSON; it holds no secret.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        hint: str = "",
        retry_after: float | None = None,
        recovery: Recovery | None = None,
        sent: Sent = "no",
        challenge: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.hint = hint
        self.retry_after = retry_after
        self.recovery = recovery or kind.recovery
        self.sent: Sent = sent
        self.challenge = challenge

    def __repr__(self) -> str:
        return f"BrokerError({self.kind.slug}: {self.message})"
