"""The use case: identify, decide, obtain, record, release; in that order, always.

Orchestrates `callers`, `policy`, the lifecycle's `shell` and `audit`; knows neither sockets nor
providers.
"""

from __future__ import annotations

import asyncio
import difflib
import itertools
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from credward.audit import AuditEntry, AuditLog
from credward.callers.caller import Caller
from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.formats.registry import ShapeRequest, shape
from credward.issuing.shell import Answer, Shell
from credward.lifecycle.vocabulary import TokenKey, View
from credward.policy.base_url import check_base_url
from credward.policy.engine import PolicyEngine, Resource
from credward.tokens import Secret, Token, TokenRequest

__all__ = ["Active", "Issued", "Issuer", "Peer"]

# Claude Code keeps a helper's answer this long unless told otherwise (its documented default).
_CLAUDE_CACHE_TTL = 300.0
# On top of the cache time: 30 s in which Claude Code would ask again anyway, 600 s for one long
# turn.
_TURN_MARGIN = 630.0
_DEFAULT_NAME = "-"


class Peer(Protocol):
    """The other end of a connection, attested anew for each request."""

    def identify(self) -> Caller:
        """Return who asks, or raise `denied`."""
        ...

    def ancestor_pids(self) -> tuple[int, ...]:
        """Return the pids seen above the caller in the last `identify`."""
        ...


@dataclass(frozen=True, slots=True)
class Active:
    """What decides right now; replaced as one, so that each decision has one version of both."""

    config: Config
    policy: PolicyEngine


class Holder(Protocol):
    """The one reference that a reload replaces."""

    active: Active


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """An answer ready to leave; times are Unix seconds.

    *body* holds the secret: whoever writes it wipes it.
    """

    body: bytes | bytearray
    content_type: str
    token_id: str
    issued_at: float
    expires_at: float | None
    short: bool


@dataclass(frozen=True, slots=True)
class _Ask:
    """What is known of one request once it has been decided; all that the audit line needs."""

    action: str
    caller: Caller
    token_request: TokenRequest
    credential: CredentialConfig
    rule: str | None
    request_id: str


class Issuer:
    """Answers for every door."""

    def __init__(
        self,
        *,
        clock: Clock,
        holder: Holder,
        shell: Shell,
        audit: AuditLog,
        worker_pids: Callable[[], Container[int]],
    ) -> None:
        self._clock = clock
        self._holder = holder
        self._shell = shell
        self._audit = audit
        self._worker_pids = worker_pids
        self._counter = itertools.count(1)
        self._last_asked_by: dict[str, str] = {}

    @property
    def active(self) -> Active:
        """Return what decides right now."""
        return self._holder.active

    def issue(self, peer: Peer, token_request: TokenRequest) -> Issued | asyncio.Future[Issued]:
        """Hand out a token in its shape: at once from memory, else when the flight lands."""
        ask = self._admit("Issue", peer, token_request)
        self._last_asked_by[ask.credential.name] = ask.caller.describe()
        return self._obtain(
            ask,
            lambda key: self._shell.ask(
                key,
                min_remaining=_min_remaining(token_request, ask.caller),
                asker=_asker(token_request, ask.caller),
                cache_ttl=_cache_ttl(token_request, ask.caller),
            ),
        )

    def refresh(self, peer: Peer, token_request: TokenRequest) -> Issued | asyncio.Future[Issued]:
        """Mint anew whatever is held; the answer tells of the new token."""
        ask = self._admit("Issue", peer, token_request)
        return self._obtain(ask, self._shell.force)

    def reject(self, peer: Peer, credential: str, token_id: str | None) -> None:
        """Note a caller's word that upstream refused this token (None: the current one)."""
        ask = self._admit("Issue", peer, TokenRequest(credential=credential, format="token"))
        current = token_id or self._shell.view(ask.credential.name).token_id
        if current is not None:
            self._shell.reject(_key(ask.credential, ask.token_request), current)
        self._record(ask, "issued" if current else "failed", token_id=current)

    def require(self, peer: Peer, action: str) -> None:
        """Decide on an action that hands out no token; raise `denied` (and record that)."""
        caller = self._identify(peer)
        self._decide(action, caller, TokenRequest(credential="*", format=action))

    def inspect(self, peer: Peer, credential: str) -> CredentialConfig:
        """Return what is configured of one credential to a caller who may look at it."""
        return self._admit("Inspect", peer, TokenRequest(credential=credential)).credential

    def resolve(self, name: str) -> CredentialConfig:
        """Return the credential of this name; `-` means the configured default or the only one."""
        config = self.active.config
        if name == _DEFAULT_NAME:
            return _default_credential(config)
        if (found := config.credentials.get(name)) is not None:
            return found
        near = difflib.get_close_matches(name, config.credentials, n=1)
        guess = f', perhaps "{near[0]}"' if near else ""
        raise BrokerError(
            Kind.UNKNOWN_CREDENTIAL,
            f'"{name}" is not configured{guess}: run credward status for the list',
        )

    def view(self, credential: str) -> tuple[View, str | None]:
        """Return the state of a credential and who asked for it last."""
        return self._shell.view(credential), self._last_asked_by.get(credential)

    # --- identify, decide
    # ---------------------------------------------------------------------------------

    def _identify(self, peer: Peer) -> Caller:
        caller = peer.identify()
        workers = self._worker_pids()
        # A worker that asks us would wait for the very flight that it is in.
        if caller.pid in workers or any(pid in workers for pid in peer.ancestor_pids()):
            raise BrokerError(
                Kind.RECURSION,
                "a worker of this daemon asked this daemon: "
                "take credward out of the tool that the provider runs, then run credward config check",
            )
        return caller

    def _admit(self, action: str, peer: Peer, token_request: TokenRequest) -> _Ask:
        caller = self._identify(peer)
        if token_request.credential == _DEFAULT_NAME:
            name = _default_credential(self.active.config).name
        else:
            name = token_request.credential
        # Decided before it is looked up: whoever may have nothing also learns no names.
        rule = self._decide(action, caller, token_request, name)
        credential = self.resolve(name)
        ask = _Ask(action, caller, token_request, credential, rule, f"{next(self._counter):x}")
        reason = check_base_url(
            credential.base_urls,
            credential.allowed_flags,
            token_request.client_base_url,
            token_request.client_flags,
        )
        if reason is not None:
            self._record(ask, "denied", kind=Kind.DENIED)
            raise BrokerError(Kind.DENIED, f'"{credential.name}" {reason}')
        return ask

    def _decide(
        self, action: str, caller: Caller, token_request: TokenRequest, name: str | None = None
    ) -> str | None:
        name = name or token_request.credential
        configured = self.active.config.credentials.get(name)
        resource = Resource(credential=name, provider=configured.provider if configured else "none")
        decision = self.active.policy.decide(caller, action, resource)
        if decision.allowed:
            return decision.rule
        self._audit.record(
            _entry(
                self._clock.now(),
                action,
                name,
                token_request.format,
                "denied",
                caller,
                kind=Kind.DENIED.slug,
                rule=decision.rule,
            )
        )
        raise BrokerError(Kind.DENIED, decision.reason)

    # --- obtain, record, release
    # --------------------------------------------------------------------------

    def _obtain(
        self, ask: _Ask, obtain: Callable[[TokenKey], Answer | asyncio.Future[Answer]]
    ) -> Issued | asyncio.Future[Issued]:
        try:
            answer = obtain(_key(ask.credential, ask.token_request))
        except BrokerError as failure:
            self._record(ask, "failed", kind=failure.kind)
            raise
        if isinstance(answer, Answer):
            return self._release(ask, answer)
        return asyncio.get_running_loop().create_task(self._release_later(ask, answer))

    async def _release_later(self, ask: _Ask, waiting: asyncio.Future[Answer]) -> Issued:
        try:
            answer = await waiting
        except BrokerError as failure:
            self._record(ask, "failed", kind=failure.kind)
            raise
        return self._release(ask, answer)

    def _release(self, ask: _Ask, answer: Answer) -> Issued:
        held = answer.held
        plain = self._shell.open(held)
        try:
            shaped = shape(
                ask.token_request.format,
                Token(
                    secret=Secret(plain.decode("ascii")),
                    kind=held.kind,
                    issued_at=held.issued_at,
                    expires_at=held.expires_at,
                    audience=held.audience,
                    upstream_id=held.upstream_id,
                ),
                ShapeRequest(
                    credential=ask.credential.name,
                    header=ask.credential.header,
                    env_name=ask.credential.env_name,
                ),
            )
        finally:
            plain[:] = bytes(len(plain))
        # Recorded before anything leaves: where the line cannot be written, nothing is handed out.
        self._record(ask, "issued", token_id=held.token_id, upstream_id=held.upstream_id)
        return Issued(
            body=shaped.body,
            content_type=shaped.content_type,
            token_id=held.token_id,
            issued_at=held.issued_at,
            expires_at=held.expires_at,
            short=answer.short,
        )

    def _record(
        self,
        ask: _Ask,
        outcome: str,
        *,
        kind: Kind | None = None,
        token_id: str | None = None,
        upstream_id: str | None = None,
    ) -> None:
        self._audit.record(
            _entry(
                self._clock.now(),
                ask.action,
                ask.credential.name,
                ask.token_request.format,
                outcome,
                ask.caller,
                kind=kind.slug if kind else None,
                rule=ask.rule,
                token_id=token_id,
                upstream_id=upstream_id,
                request_id=ask.request_id,
            )
        )


def _default_credential(config: Config) -> CredentialConfig:
    if config.default is not None:
        return config.credentials[config.default]
    if len(config.credentials) == 1:
        return next(iter(config.credentials.values()))
    if not config.credentials:
        raise BrokerError(
            Kind.UNKNOWN_CREDENTIAL,
            "no credential is configured: run credward add NAME --provider PROVIDER",
        )
    names = ", ".join(sorted(config.credentials))
    raise BrokerError(Kind.BAD_REQUEST, f"name one of {names}, or set default in the configuration")


def _key(credential: CredentialConfig, token_request: TokenRequest) -> TokenKey:
    """Return the token key; an audience or scope of the caller's own must be listed in `serve`."""
    audience = token_request.audience
    if audience is not None and audience not in credential.audiences:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" does not serve audience "{audience}": '
            f"add it to serve.audiences ({credential.origin})",
        )
    unlisted = sorted(set(token_request.scopes) - set(credential.scopes))
    if unlisted:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" does not serve scope "{unlisted[0]}": '
            f"add it to serve.scopes ({credential.origin})",
        )
    scopes = tuple(sorted(set(token_request.scopes)))
    return TokenKey(credential.name, credential.epoch, audience, scopes)


def _cache_ttl(token_request: TokenRequest, caller: Caller) -> float | None:
    if token_request.cache_ttl is not None:
        return token_request.cache_ttl
    if caller.harness == "claude" and token_request.format == "token":
        return _CLAUDE_CACHE_TTL
    return None


def _min_remaining(token_request: TokenRequest, caller: Caller) -> float:
    if token_request.min_remaining is not None:
        return token_request.min_remaining
    cache_ttl = _cache_ttl(token_request, caller)
    return 0.0 if cache_ttl is None else cache_ttl + _TURN_MARGIN


def _asker(token_request: TokenRequest, caller: Caller) -> tuple[int, int, str, str] | None:
    """Return whose early re-ask means "rejected": attested callers in the helper's shape."""
    if (
        token_request.format != "token"
        or token_request.in_tool
        or caller.harness is None
        or caller.agent is None
        or not caller.attested
    ):
        return None
    return (caller.agent.pid, caller.agent.start_time, token_request.credential, "token")


def _entry(
    now: float,
    action: str,
    credential: str,
    format_name: str,
    outcome: str,
    caller: Caller,
    **facts: str | None,
) -> AuditEntry:
    return AuditEntry.of(
        now,
        action=action,
        credential=credential,
        format=format_name,
        outcome=outcome,
        caller=caller,
        **facts,
    )
