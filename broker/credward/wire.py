"""The JSON bodies of the socket API, shared by the server, the client and the command line.

Values only, version 1: unknown fields are ignored both ways, so an old client understands a new
daemon. `http` and `client` transport bodies; tokens never pass through here, `formats` shapes them.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import Annotated, Any, Literal, NoReturn, TypeVar

import msgspec

from credward import errors
from credward.errors import BrokerError, Kind, Recovery

__all__ = [
    "Choice",
    "ChoiceChange",
    "ChoiceList",
    "ConfigSource",
    "CredentialStatus",
    "Dropped",
    "EndpointList",
    "EndpointStatus",
    "Failure",
    "GrantDropped",
    "GrantGiven",
    "GrantImport",
    "GrantStatus",
    "Health",
    "Jwks",
    "LastWords",
    "LoginAnswer",
    "LoginEvent",
    "LoginGivenUp",
    "LoginStart",
    "LoginStarted",
    "Nothing",
    "Passphrase",
    "Probe",
    "ProbeResult",
    "Problem",
    "Ready",
    "RefreshResult",
    "RejectedReport",
    "RejectionReason",
    "ReloadResult",
    "SecretAllowed",
    "SecretGivenBack",
    "SecretInfo",
    "SecretKept",
    "SecretNames",
    "SecretUse",
    "SecretValue",
    "Session",
    "SessionEndpoint",
    "SessionStart",
    "SinkStatus",
    "StatusList",
    "Unusable",
    "decode",
    "edited_since",
    "encode",
    "line",
]

RejectionReason = Literal["unauthorized", "revoked", "quota", "billing"]

_PROBLEM_TYPE = "urn:credward:problem:"

# The maximum of a free text in a request that is kept, compared or recorded.
Word = Annotated[str, msgspec.Meta(max_length=256)]


def line(failure: errors.Failure) -> str:
    """Return *failure* as text for people, with the time since when, by the machine's clock."""
    if failure.since is None:
        return failure.message
    since = datetime.fromtimestamp(failure.since)  # noqa: DTZ006 - the user's clock
    return failure.line(since.strftime("%H:%M"))


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why the last mint of a credential failed; *recovery* is what clears it."""

    kind: str
    message: str
    recovery: str
    hint: str = ""

    @classmethod
    def of(cls, failure: errors.Failure) -> Failure:
        """Return what clients may see of *failure*."""
        return cls(
            kind=failure.kind.slug,
            message=line(failure),
            recovery=failure.recovery.value,
            hint=failure.hint,
        )


class CredentialStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One credential without its secret; instants are Unix seconds, absent ones are null.

    *audience* and *upstream_id*: what the token is for, and its id at its issuer, if these are
    known. *life*: how long its tokens last, in seconds, as seen in mints. *refresh_at*: when the
    next one is minted without a request, null if it needs one. *last_asked_by*: the name of the
    harness or program that asked last; it works in the folder *last_asked_in*, null if unknown.
    *denied_at*: when a token of it was last denied, to *denied_to* in *denied_in*; *denied_by* is
    the rule, null if none permits it or the caller belongs to another user, and *denied_because*
    what the caller was told, null if that belongs to another user. *denied_last*: nobody was served
    since then.
    *logins*: the grants of people's logins that it depends on, also through others; *kept_by*: who
    else keeps a login that it depends on.
    *doubt*: why its token, which is still handed out, is probably refused where it is used.
    *asks*, *mints*, *failures* (mints that failed) and *waits* (asks that waited for a mint) count
    since the daemon's start.
    """

    name: str
    provider: str = ""
    grant: str = ""
    state: str
    expires_at: float | None = None
    issued_at: float | None = None
    refresh_at: float | None = None
    login_ends_at: float | None = None
    last_asked_at: float | None = None
    last_asked_by: str | None = None
    last_asked_in: str | None = None
    last_asked_pid: int | None = None
    token_id: str | None = None
    audience: str | None = None
    upstream_id: str | None = None
    failure: Failure | None = None
    life: float | None = None
    logins: list[str] = []
    kept_by: list[str] = []
    doubt: Failure | None = None
    denied_at: float | None = None
    denied_to: str | None = None
    denied_in: str | None = None
    denied_by: str | None = None
    denied_last: bool = False
    denied_because: str | None = None
    asks: int = 0
    mints: int = 0
    failures: int = 0
    waits: int = 0
    keys: int = 0
    base_urls: list[str] = []


class LastWords(msgspec.Struct, frozen=True, kw_only=True):
    """The last line that the program of a failed mint wrote to its standard error, masked."""

    line: str = ""

    def __repr__(self) -> str:
        return "LastWords(***)"


class Unusable(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that gives no token now: *kind* is `cooldown` or `disabled`.

    *reason* is the kind of a failure, or the report on its token; *since* is null if unknown.
    *until* (Unix seconds) and *remaining* (seconds) are null if only *recovery* ends it.
    """

    credential: str
    kind: str
    reason: str
    recovery: str
    since: float | None = None
    until: float | None = None
    remaining: float | None = None


class ConfigSource(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the configuration in force, and a digest of the text that was read."""

    path: str
    digest: str


class SinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One file that is kept fresh; *failure* says why it is not *fresh*.

    The token and the times are those of what is in it now; instants are Unix seconds.
    """

    path: str
    format: str
    credential: str
    state: str
    profile: str | None = None
    token_id: str | None = None
    written_at: float | None = None
    expires_at: float | None = None
    failure: Failure | None = None


class StatusList(msgspec.Struct, frozen=True, kw_only=True):
    """All credentials; *now* is the daemon's clock, *attestation* how well it sees callers.

    *active* is what this caller gets without a name, *active_because* says why.
    *sources*: the files that it read, the weakest first. *policy_epoch*: a digest of the policy in
    force, empty from an older daemon. *edited*: those of its files that say something else by now.
    *store_failure*: why the store cannot be opened. *audit_failure*: why the audit log is not
    complete, or not written.
    """

    version: str = ""
    now: float
    pid: int
    credentials: list[CredentialStatus]
    default: str | None = None
    active: str | None = None
    active_because: str = ""
    attestation: str = ""
    hardening: str = ""
    started_at: float | None = None
    warnings: list[str] = []
    unusable: list[Unusable] = []
    grants: list[GrantStatus] = []
    sinks: list[SinkStatus] = []
    locked: bool = False
    store: str = ""
    store_failure: Failure | None = None
    audit_failure: Failure | None = None
    sources: list[ConfigSource] = []
    policy_epoch: str = ""
    edited: list[str] = []


def edited_since(paths: str) -> str:
    """Return what to say of *paths*, of one file or several, that the daemon has not read again."""
    return f"{paths} was edited after the daemon read it: run credward daemon reload"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that was chosen for callers that name none.

    *folder*: an absolute path, for callers there and below; null: everywhere. *agent*: a harness,
    null: every caller. *configured*: whether there is such a credential, else it does not count.
    """

    credential: str
    configured: bool = True
    folder: str | None = None
    agent: str | None = None


class ChoiceList(msgspec.Struct, frozen=True, kw_only=True):
    """All choices; *active* is what this caller gets without a name, *because* says why."""

    choices: list[Choice]
    active: str | None = None
    because: str = ""


class ChoiceChange(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `POST /v1/choices`; *credential* null forgets the one for this folder and agent."""

    credential: Word | None = None
    folder: Annotated[str, msgspec.Meta(max_length=4096)] | None = None
    agent: Word | None = None


class RefreshResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a forced mint, without the token."""

    credential: str
    token_id: str
    issued_at: float
    expires_at: float | None = None


class RejectedReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of `POST .../rejected`: a token that was refused where it is used.

    *token_id* null: the one that is handed out now. *until* (Unix seconds): when it may be used
    again, if the refusal said so.
    """

    token_id: Word | None = None
    reason: RejectionReason = "unauthorized"
    until: Annotated[float, msgspec.Meta(gt=0, le=1e11)] | None = None


class Probe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Body of `POST .../probe`: what to ask the service behind a credential.

    *model* null: a small one that the service is known to have. *base_url*: which of the allowed
    ones, null: the first. *workspace*: for the Claude Platform on AWS.
    """

    model: (
        Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,255}$")] | None
    ) = None
    base_url: Word | None = None
    workspace: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{1,128}$")] | None = None


class ProbeResult(msgspec.Struct, frozen=True, kw_only=True):
    """How the service answered the one request; nothing of its text.

    *credential* is the one whose token was sent, *service* a short name for the form of the
    request, *address* where it went, without a query. *status* 0: no answer, *trouble* says
    how the connection ended (`upstream.Trouble`; *proxied*: with the proxy). *request_id* is the
    server's name for the request, *error* a word of a closed list, each empty if there is none.
    """

    credential: str
    token_id: str
    service: str
    address: str
    model: str
    region: str = ""
    status: int = 0
    trouble: str | None = None
    proxied: bool = False
    request_id: str = ""
    error: str = ""
    retry_after: float | None = None


class ReloadResult(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration after a reload."""

    credentials: list[str]
    sources: list[str] = []
    warnings: list[str] = []


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """The daemon answers; says nothing about any identity provider."""

    status: str = "ok"
    version: str = ""
    pid: int
    started_at: float | None = None


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether tokens can be asked for, and if not, why not."""

    ready: bool
    reasons: list[str] = []


class Jwks(msgspec.Struct, frozen=True, kw_only=True):
    """Public keys (RFC 7517) of a `local` credential."""

    keys: list[dict[str, Any]]


class LoginStart(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `POST /v1/grants/{name}/login`; *method* null: the provider's default.

    *claims*: a claims challenge that the login must answer, as JSON; null: the one that the grant
    was refused with, if any.
    """

    method: Word | None = None
    claims: str | None = None


class LoginStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A login that can be watched; *attached*: it was already running.

    *account*: whose login the grant has until then, null if none or unknown.
    """

    login_id: str
    grant: str
    credential: str
    account: str | None = None
    attached: bool = False


class LoginGivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """The result of cancelling the login of *credential*; *given_up* is false if there was none."""

    grant: str
    credential: str
    given_up: bool


class LoginEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `GET /v1/logins/{id}/events`; *event* says which of the fields are set.

    `open_url` (url), `user_code` (user_code, url, complete_url), `prompt` (field, label, secret),
    `prompt_closed` (field), `waiting` (message), `done` (account, durable, credentials and
    *turned_away*: how many callers were refused meanwhile), `error` (kind, message, hint).
    """

    event: str
    url: str | None = None
    user_code: str | None = None
    complete_url: str | None = None
    field: str | None = None
    label: str | None = None
    secret: bool = False
    message: str | None = None
    account: str | None = None
    durable: bool = False
    credentials: list[str] = []
    turned_away: int = 0
    kind: str | None = None
    hint: str = ""


class LoginAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `POST /v1/logins/{id}/answer`: what the user typed."""

    field: Word
    value: str

    def __repr__(self) -> str:
        return f"LoginAnswer({self.field}, ***)"


class GrantImport(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `POST /v1/grants/{name}/grant`: an existing refresh token that is handed over."""

    grant: str

    def __repr__(self) -> str:
        return "GrantImport(***)"


class GrantGiven(msgspec.Struct, frozen=True, kw_only=True):
    """A grant is kept; *durable* is false if the store could not be written.

    *works*: a token was minted with it; else *message* says why not yet, and an earlier login stays
    until then. *turned_away*: how many callers were refused meanwhile.
    """

    grant: str
    durable: bool
    credentials: list[str] = []
    turned_away: int = 0
    works: bool = False
    message: str = ""


class GrantDropped(msgspec.Struct, frozen=True, kw_only=True):
    """A grant was forgotten; *revoked* upstream too, or else *message* says why not.

    *credentials* is [] if no credential used it any more; *account*: whose login it was, null if
    unknown. *held* is false if there was none: nobody had logged in. *durable* is false while it is
    still on disk: that is retried, but a daemon that is killed before that will find it again.
    """

    grant: str
    credentials: list[str] = []
    held: bool = True
    durable: bool = True
    revoked: bool = False
    account: str | None = None
    message: str = ""


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """What `revoke-all` did."""

    grants: list[GrantDropped]


class Passphrase(msgspec.Struct, frozen=True, kw_only=True):
    """Body of lock and unlock."""

    passphrase: str | None = None

    def __repr__(self) -> str:
        return "Passphrase(***)"


class SecretValue(msgspec.Struct, frozen=True, kw_only=True):
    """Body of `PUT /v1/secrets/{name}`.

    *origin*: a note about the line that it was taken out of; only then it can be given back.
    """

    value: str
    origin: str = ""

    def __repr__(self) -> str:
        return "SecretValue(***)"


class SecretGivenBack(msgspec.Struct, frozen=True, kw_only=True):
    """A secret on its way back, with the note *origin* that was stored with it."""

    value: str
    origin: str

    def __repr__(self) -> str:
        return f"SecretGivenBack({self.origin!r})"


class SecretKept(msgspec.Struct, frozen=True, kw_only=True):
    """A secret was stored or forgotten; *durable*: on disk too; if not, that is retried.

    *used_by*: the credentials whose settings refer to one that was stored.
    """

    durable: bool = True
    used_by: list[str] = []


class SecretUse(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that a secret is bound to; its tokens may be sent to *base_urls*, [] any."""

    credential: str
    base_urls: list[str] = []


class SecretInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One secret without its value; *uses* null: not used yet, so bound to nothing.

    *used*: whether a credential of the configuration refers to it.
    """

    name: str
    used: bool = True
    uses: list[SecretUse] | None = None


class SecretNames(msgspec.Struct, frozen=True, kw_only=True):
    """The names in the store, without values; *secrets*: what each is bound to."""

    names: list[str]
    secrets: list[SecretInfo] = []


class SecretAllowed(msgspec.Struct, frozen=True, kw_only=True):
    """What a secret is bound to from now on; *durable* as for `SecretKept`."""

    name: str
    uses: list[SecretUse]
    durable: bool = True


class Nothing(msgspec.Struct, frozen=True, kw_only=True):
    """Done, without a result."""


class GrantStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One grant without its secret; instants are Unix seconds.

    *state*: `valid`; `needs-login`, and then *failure* is the answer to every request on it, since
    *parked_at* if there was a login before; `ambiguous`: since *ambiguous_at* it is unknown whether
    its secret was used up; `untried`: it was handed over and has not worked yet; `locked`; `none`:
    nothing is held, and nobody needs to act. *rotations* counts since the login, and one put
    *ends_at* off at *extended_at*; *unsaved*: the store cannot be written, a journal keeps it.
    *login_failure*, at *login_failed_at*: why the last login failed, null since one worked, or the
    grant was dropped.
    """

    name: str
    provider: str = ""
    credentials: list[str] = []
    state: str = ""
    account: str | None = None
    given_at: float | None = None
    ends_at: float | None = None
    extended_at: float | None = None
    rotations: int = 0
    ambiguous_at: float | None = None
    parked_at: float | None = None
    failure: Failure | None = None
    login_failure: Failure | None = None
    login_failed_at: float | None = None
    unsaved: bool = False


class EndpointStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint on loopback; *port* None: it is not open, and *failure* says why.

    *token_file*: the path of the file with what its clients must show, None if nothing. *region*:
    that of its usual credential, which SDKs do not ask there. *pid*: the process whose endpoint it
    is and with which it ends, None: it is of the configuration.
    """

    name: str
    door: str
    credentials: list[str]
    port: int | None = None
    token_file: str | None = None
    failure: Failure | None = None
    region: str | None = None
    pid: int | None = None


class EndpointList(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoints of the configuration, in its order, then those of sessions."""

    endpoints: list[EndpointStatus]


class SessionEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint that a session wants: one *credential* at a *door*."""

    credential: str
    door: str


class SessionStart(msgspec.Struct, frozen=True, kw_only=True):
    """What the asking process wants as long as it lives."""

    endpoints: list[SessionEndpoint]


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session, and its endpoints as they were asked for, all open."""

    id: str
    endpoints: list[EndpointStatus]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """An error on the wire (RFC 9457), with our kind, what clears it and when to retry."""

    type: str
    title: str
    status: int
    detail: str
    kind: str
    recovery: str
    retry_after: float | None = None
    hint: str = ""

    @classmethod
    def of(cls, failure: errors.Failure, status: int | None = None) -> Problem:
        """Return the problem for *failure*; *status* overrides the one of its kind."""
        slug = failure.kind.slug
        return cls(
            type=_PROBLEM_TYPE + slug,
            title=slug.replace("-", " "),
            status=status or failure.kind.status or Kind.INTERNAL.status,
            detail=line(failure),
            kind=slug,
            recovery=failure.recovery.value,
            retry_after=failure.retry_after,
            hint=failure.hint,
        )

    def to_error(self) -> BrokerError:
        """Return the error; unknown words of a newer daemon become the nearest known ones."""
        kind = Kind.from_slug(self.kind)
        known = {recovery.value: recovery for recovery in Recovery}
        retry_after = self.retry_after
        if retry_after is not None and not (math.isfinite(retry_after) and retry_after >= 0):
            retry_after = None
        return BrokerError(
            kind,
            self.detail,
            hint=self.hint,
            retry_after=retry_after,
            recovery=known.get(self.recovery),
        )


_S = TypeVar("_S", bound=msgspec.Struct)


def encode(body: msgspec.Struct) -> bytes:
    """Return *body* as JSON."""
    return msgspec.json.encode(body)


def decode(raw: bytes | bytearray, shape: type[_S]) -> _S:
    """Read *raw* as *shape*, ignoring unknown fields; anything invalid is `bad-request`.

    Two parsers, because each refuses what the other accepts: a repeated name and NaN, which other
    parsers would read differently, and half a character (a lone surrogate), which is not text.
    """
    try:
        json.loads(
            bytes(raw).decode(), object_pairs_hook=_refuse_doubles, parse_constant=_refuse_constant
        )
        return msgspec.json.decode(raw, type=shape)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise BrokerError(
            Kind.BAD_REQUEST, f"body is not a {shape.__name__} in JSON ({type(error).__name__})"
        ) from error


def _refuse_doubles(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name is given twice")


def _refuse_constant(_: str) -> NoReturn:
    raise ValueError("not a JSON number")
