"""The closed table of error kinds, a failure as a value, and the one exception that carries it.

Says what went wrong and whose turn it is; how it is written to a client is the job of `wire` and
`cli`.
"""

from __future__ import annotations

import enum
from typing import Literal, Self, TypedDict, Unpack

import msgspec

__all__ = ["BrokerError", "Failure", "Kind", "Recovery", "Sent"]

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


class _Facts(TypedDict, total=False):
    """The fields of a `Failure` that most do not set."""

    hint: str
    retry_after: float | None
    recovery: Recovery | None
    sent: Sent
    challenge: str
    local: bool


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, as a value that can be kept: safe to show, no secret and no upstream body.

    *message* is one line without the program's name that holds the cause, subject first, and ends
    in the command that helps where there is one; *hint* is further help for a terminal.
    *retry_after* is in seconds. *sent* says whether an upstream request may have reached the
    server. *challenge* is what the next login has to meet, as JSON; it holds no secret. *local*:
    something is missing on this machine, and no server or program was asked.
    """

    kind: Kind
    message: str
    hint: str = ""
    retry_after: float | None = None
    recovery: Recovery
    sent: Sent = "no"
    challenge: str = ""
    local: bool = False

    @classmethod
    def of(
        cls,
        kind: Kind,
        message: str,
        **facts: Unpack[_Facts],
    ) -> Self:
        """Return the failure; without a recovery of its own it has the one of its kind."""
        facts["recovery"] = facts.get("recovery") or kind.recovery
        return cls(kind=kind, message=message, **facts)  # type: ignore[arg-type]

    def unsent(self) -> Self:
        """Return the same failure of something that did not reach the server."""
        return msgspec.structs.replace(self, sent="no")

    def on_this_machine(self) -> Self:
        """Return the same failure of something that asked no server and ran no program."""
        return msgspec.structs.replace(self, local=True)

    def error(self) -> BrokerError:
        """Return a new exception that says this, to be raised at once.

        An exception is never kept: it holds on to every frame that it passed, and what lay there.
        """
        return BrokerError(
            self.kind,
            self.message,
            hint=self.hint,
            retry_after=self.retry_after,
            recovery=self.recovery,
            sent=self.sent,
            challenge=self.challenge,
            local=self.local,
        )


class BrokerError(Exception):
    """A `Failure` on its way to whoever can tell of it; the arguments are its fields."""

    def __init__(self, kind: Kind, message: str, **facts: Unpack[_Facts]) -> None:
        super().__init__(message)
        self.failure = Failure.of(kind, message, **facts)

    @property
    def kind(self) -> Kind:
        """The kind of the failure."""
        return self.failure.kind

    @property
    def message(self) -> str:
        """Its one line."""
        return self.failure.message

    def __repr__(self) -> str:
        return f"BrokerError({self.kind.slug}: {self.message})"
