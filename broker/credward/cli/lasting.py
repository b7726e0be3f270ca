"""Whether logins last as long as somebody wants to be away, as far as their providers tell.

Pure: from what the daemon says of credentials and grants. `credward run --for` asks for what ends,
`credward status --for` shows it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Literal

import msgspec

from credward.text.durations import format_duration
from credward.wire import CredentialStatus, GrantStatus, StatusList

__all__ = ["Forecast", "Lasting", "Login", "Verdict", "forecast", "worst"]

Verdict = Literal["lasts", "unknown", "ends", "fails"]

_ORDER: Sequence[Verdict] = ("lasts", "unknown", "ends", "fails")


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """One login: *verdict*, and *because* in words that follow its name.

    *credential*: the name to type for it. *kept_by*: who else keeps it, "" if we do. *ends_at*:
    Unix seconds, null if unknown.
    """

    verdict: Verdict
    because: str
    credential: str
    account: str | None = None
    kept_by: str = ""
    ends_at: float | None = None

    @property
    def line(self) -> str:
        """The verdict as one line for people."""
        named = f'"{self.credential}"' + (f" ({self.account})" if self.account else "")
        if self.verdict == "unknown":
            return f"how long the login of {named} lasts is unknown: {self.because}"
        return f"the login of {named} {self.because}"


class Lasting(msgspec.Struct, frozen=True, kw_only=True):
    """A credential, and the logins that it depends on; none: it needs none, so it lasts.

    *failure*: why it gets no token now though no login is missing, "" if nothing is wrong.
    """

    name: str
    verdict: Verdict
    logins: list[Login]
    failure: str = ""


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What `credward status --for --json` prints: whether they last *seconds* from *now*."""

    now: float
    seconds: float
    verdict: Verdict
    credentials: list[Lasting]

    def logins(self, *verdicts: Verdict) -> list[Login]:
        """Return the logins with one of these verdicts, each once."""
        found = (login for each in self.credentials for login in each.logins)
        return list({each.line: each for each in found if each.verdict in verdicts}.values())

    @property
    def failures(self) -> list[str]:
        """Why credentials get no token now, though no login is missing."""
        return list(dict.fromkeys(each.failure for each in self.credentials if each.failure))


def forecast(listed: StatusList, names: Collection[str], seconds: float) -> Forecast:
    """Return which of the credentials called so would last *seconds* without a person."""
    grants = {each.name: each for each in listed.grants}
    found = [
        _lasting(each, grants, listed.now, seconds)
        for each in listed.credentials
        if each.name in names
    ]
    return Forecast(
        now=listed.now,
        seconds=seconds,
        verdict=worst(each.verdict for each in found),
        credentials=found,
    )


def worst(verdicts: Iterator[Verdict]) -> Verdict:
    """Return the worst of these; of none: it lasts."""
    return max(verdicts, key=_ORDER.index, default="lasts")


def _lasting(
    status: CredentialStatus, grants: dict[str, GrantStatus], now: float, seconds: float
) -> Lasting:
    logins = [_login(grants[name], now, seconds) for name in status.logins if name in grants]
    logins += [
        Login(
            verdict="unknown",
            credential=status.name,
            kept_by=each,
            because=f"it is kept by {each}",
        )
        for each in status.kept_by
    ]
    verdict = worst(each.verdict for each in logins)
    failure = "" if verdict == "ends" else _failing(status)
    verdict = "fails" if failure else verdict
    return Lasting(name=status.name, verdict=verdict, logins=logins, failure=failure)


def _failing(status: CredentialStatus) -> str:
    """Return what somebody must mend before there is a token, "" if nothing."""
    failure = status.failure
    if failure is None or failure.recovery == "retry":
        return ""
    return failure.message


def _login(grant: GrantStatus, now: float, seconds: float) -> Login:
    verdict, because = _judge(grant, now, seconds)
    return Login(
        verdict=verdict,
        because=because,
        credential=grant.credentials[0] if grant.credentials else grant.name,
        account=grant.account,
        ends_at=grant.ends_at,
    )


def _judge(grant: GrantStatus, now: float, seconds: float) -> tuple[Verdict, str]:
    if grant.state == "locked":
        return "unknown", "the store is locked"
    if grant.state in {"needs-login", "none"}:
        return "ends", "is needed now"
    if grant.ends_at is None:
        return "unknown", "its server does not tell"
    left = grant.ends_at - now
    if left >= seconds:
        return "lasts", f"lasts {format_duration(left)}"
    if grant.extended_at is not None:
        return "unknown", f"it ends in {format_duration(left)}, but each renewal has put that off"
    span = format_duration(seconds)
    return "ends", f"ends in {format_duration(left)}, before {span} are over"
