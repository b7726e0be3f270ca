"""The closed table of error kinds, a failure as a value, and the one exception that carries it.

Says what went wrong and who must act; `wire` and `cli` format it for clients.
"""

from __future__ import annotations

import enum
from typing import Literal, Self, TypedDict, Unpack

import msgspec

__all__ = ["BrokerError", "Failure", "Kind", "Recovery", "Sent", "login_required"]

Sent = Literal["no", "maybe"]


class Recovery(enum.StrEnum):
    """What clears a failure: time, a login, or a change of configuration."""

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
    """The optional fields of a `Failure`."""

    reason: str
    remedy: str
    also: str
    since: float | None
    hint: str
    retry_after: float | None
    recovery: Recovery | None
    sent: Sent
    challenge: str
    local: bool
    said: str


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong, as a value that can be kept: safe to show, no secret and no upstream body.

    *cause* is one line without the program's name, subject first; *reason* explains it, *remedy* is
    the command that helps, *since* the Unix time since when. A cause without a remedy is complete.
    *also* is what else to know, without a command of its own if possible: it comes last.
    *hint* is further help for a terminal. *retry_after* is in seconds. *sent* says whether an
    upstream request may have reached the server. *challenge* is the claims challenge for the next
    login, as JSON; it holds no secret. *local*: something is missing on this machine, and no server
    or program was asked. *said* is the last line of a program's errors, masked: only for owners who
    ask for it, so it is in no message and in no `repr`.
    """

    kind: Kind
    cause: str
    reason: str = ""
    remedy: str = ""
    also: str = ""
    since: float | None = None
    hint: str = ""
    retry_after: float | None = None
    recovery: Recovery
    sent: Sent = "no"
    challenge: str = ""
    local: bool = False
    said: str = ""

    def __repr__(self) -> str:
        return f"Failure({self.kind.slug}: {self.message})"

    @classmethod
    def of(
        cls,
        kind: Kind,
        cause: str,
        **facts: Unpack[_Facts],
    ) -> Self:
        """Return the failure; the default recovery is that of its kind."""
        facts["recovery"] = facts.get("recovery") or kind.recovery
        return cls(kind=kind, cause=cause, **facts)  # type: ignore[arg-type]

    @property
    def message(self) -> str:
        """One line without the time; the edge adds it, by the clock of its reader."""
        return self.line()

    def line(self, since: str = "") -> str:
        """Return one line; *since* is the time of day as people read it."""
        remedy = f": {self.remedy}" if self.remedy else ""
        also = f"; {self.also}" if self.also else ""
        return f"{self._happened(since)}{remedy}{also}"

    @property
    def happened(self) -> str:
        """The line without the command that helps; if there is no *remedy*, *cause* may hold it."""
        return self._happened()

    def _happened(self, since: str = "") -> str:
        if not self.remedy:
            return self.cause
        when = f" since {since}" if since else ""
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.cause}{when}{reason}"

    def unsent(self) -> Self:
        """Return the same failure, marked as not sent to the server."""
        return msgspec.structs.replace(self, sent="no")

    def on_this_machine(self) -> Self:
        """Return the same failure, marked as local: no server asked, no program run."""
        return msgspec.structs.replace(self, local=True)

    def error(self) -> BrokerError:
        """Return a new exception for this, to raise at once.

        Never keep an exception: it holds every frame that it passed, with its variables.
        """
        return BrokerError(**msgspec.structs.asdict(self))


class BrokerError(Exception):
    """A `Failure` on its way to the code that reports it; the arguments are its fields."""

    def __init__(self, kind: Kind, cause: str, **facts: Unpack[_Facts]) -> None:
        self.failure = Failure.of(kind, cause, **facts)
        super().__init__(self.failure.message)

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


def login_required(name: str, **facts: Unpack[_Facts]) -> Failure:
    """Return that *name* needs a login; the default *remedy* is our own login command."""
    facts["remedy"] = facts.get("remedy") or f"run credward login {name}"
    return Failure.of(Kind.LOGIN_REQUIRED, f'"{name}" needs a login', **facts)


class ConfigErrors(BrokerError):  # noqa: N818 - several, by design
    """All errors in the configuration and the policy; *lines* are `file:line: text`."""

    def __init__(self, lines: list[str]) -> None:
        text = lines[0]
        if len(lines) > 1:
            text += f" (and {len(lines) - 1} more): run credward config check for the list"
        elif ": run " not in text:
            text += ": correct it, then run credward config check"
        super().__init__(Kind.FIX_CONFIGURATION, text)
        self.lines = tuple(lines)
