"""A grant as it is in the store, and what may be shown of it.

Values only; `keeper` changes them.
"""

from __future__ import annotations

import msgspec

from credward.errors import Failure, Kind, Recovery

__all__ = ["GrantRecord", "GrantView", "Parked"]


class Parked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a grant waits for a human, since when (Unix seconds); survives a restart.

    *challenge*: the claims challenge for the login, as JSON.
    """

    # The name of before: then it was the whole line.
    cause: str = msgspec.field(name="message")
    reason: str = ""
    remedy: str = ""
    since: float
    hint: str = ""
    challenge: str = ""
    kind: str = Kind.LOGIN_REQUIRED.slug

    def failure(self) -> Failure:
        """Return the failure for every request on the grant."""
        return Failure.of(
            Kind.from_slug(self.kind),
            self.cause,
            reason=self.reason,
            remedy=self.remedy,
            since=self.since,
            hint=self.hint,
            challenge=self.challenge,
            recovery=Recovery.REAUTHORIZE,
        )


class GrantRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One grant; instants are Unix seconds.

    *family* is the random name of the login that it comes from, *generation* counts its rotations
    since then: together they are the version that a rotation is checked against. *bound_to* names
    its server and client (`settings.grants`). *ambiguous_at*: since when it is unknown whether the
    secret was used up (DESIGN: ambiguous exchanges). *extended_at*: when a rotation last extended
    *ends_at*. A record without a secret only remembers why it is parked. *untried*: it was handed
    over and has not worked yet; *before*: the earlier login, which comes back if the new one is
    refused.
    """

    secret: str | None = None
    provider: str
    bound_to: str | None = None
    account: str | None = None
    ends_at: float | None = None
    extended_at: float | None = None
    # Its name on disk is from an older version.
    family: int = msgspec.field(name="origin")
    generation: int = 0
    given_at: float
    ambiguous_at: float | None = None
    parked: Parked | None = None
    untried: bool = False
    before: GrantRecord | None = None

    def is_for(self, provider: str, bound_to: str) -> bool:
        """Return whether it may be presented there; a grant of an older store does not say."""
        return self.provider == provider and self.bound_to in {None, bound_to}

    def __repr__(self) -> str:
        return f"GrantRecord({self.provider}, generation {self.generation})"


class GrantView(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` shows of a grant; instants are Unix seconds.

    *untried*: it was handed over and has not worked yet; *account* is then that of the earlier
    login. *unsaved*: it is in memory and in a journal, but the store could not be written.
    """

    name: str
    account: str | None = None
    ends_at: float | None = None
    extended_at: float | None = None
    given_at: float | None = None
    generation: int = 0
    ambiguous_at: float | None = None
    parked_at: float | None = None
    failure: Failure | None = None
    untried: bool = False
    unsaved: bool = False
