"""The first half of every request: who asks, and may they? The result is an `Authorized`.

Denials are recorded here; `issuer` hands out tokens.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from credward.callers.caller import Caller
from credward.callers.peer import Peer
from credward.callers.programs import CLAUDE_CODE
from credward.config import Config
from credward.errors import BrokerError, Kind
from credward.grants.opened_store import LOCKED
from credward.issuing.asking import (
    DEFAULT_NAME,
    NOTHING,
    find_credential,
    find_on_grant,
)
from credward.issuing.authorized import Authorized
from credward.issuing.choices import Choices, Chosen, chooser, usual
from credward.issuing.recording import Denial, Recorder
from credward.policy.base_url import Refusal, check_base_url, check_endpoint
from credward.policy.engine import Decision, PolicyEngine, Resource
from credward.policy.redirects import check_folder
from credward.tokens import TokenRequest

__all__ = ["Active", "Gate", "Holder", "settled"]

_EVERYTHING = "*"
# The rule of denials at an endpoint that is limited to some credentials.
_LIMIT = "endpoint"
# Actions for owners, not agents: the caller is checked closely, which takes time.
_OF_OWNERS = frozenset({"Approve", "Login", "Manage"})


class Active(msgspec.Struct, frozen=True):
    """Configuration, policy and the users' choices now; replaced together, so that they match."""

    config: Config
    policy: PolicyEngine
    choices: Choices = Choices()


class Holder(Protocol):
    """The one reference that a reload replaces."""

    active: Active


async def settled(authorized: Authorized | Awaitable[Authorized]) -> Authorized:
    """Return what was allowed; may take time."""
    return authorized if isinstance(authorized, Authorized) else await authorized


class Gate:
    """Identifies and decides."""

    def __init__(
        self,
        *,
        holder: Holder,
        recorder: Recorder,
        own_pid: int,
        worker_pids: Callable[[], frozenset[int]],
        locked: Callable[[], bool],
        folder_of: Callable[[int], str | None],
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        """*folder_of* returns the working directory of a process, None if it is hidden.

        *asked* is called for each request of somebody else than the daemon itself.
        """
        self._holder = holder
        self._recorder = recorder
        self._own_pid = own_pid
        self._worker_pids = worker_pids
        self._locked = locked
        self._folder_of = folder_of
        self._asked = asked
        self._counter = itertools.count(1)
        self._denials: dict[str, Denial] = {}

    def authorize(
        self, action: str, peer: Peer, token_request: TokenRequest
    ) -> Authorized | Awaitable[Authorized]:
        """Allow this request, or raise; denials are recorded.

        For actions of owners the caller is checked closely, which takes time; the name may then be
        a grant, which means the first credential on it. All else is decided at once. A denial names
        only what the caller named. To hand out a token, the credential must be allowed to go where
        the caller will send it.
        """
        if action in _OF_OWNERS:
            return self._authorize_closely(action, peer, token_request)
        return self._authorize(action, self._identify(peer), token_request)

    def authorize_instead(self, asked: Authorized, name: str) -> Authorized:
        """Decide on another credential for the caller of *asked*, as if it was named."""
        token_request = msgspec.structs.replace(asked.token_request, credential=name)
        return self._authorize(asked.action, asked.caller, token_request)

    def require(self, action: str, peer: Peer) -> Caller:
        """Decide on an action that is about no single credential; raise `denied`."""
        return self._require(action, self._identify(peer))

    async def require_owner(
        self, action: str, peer: Peer, *, although_locked: bool = False
    ) -> Caller:
        """Decide on an action for owners, not agents; raise `denied`."""
        caller = await self._identify_closely(peer)
        return self._require(action, caller, although_locked=although_locked)

    def chosen(self, caller: Caller) -> Chosen:
        """Return the credential that *caller* gets if it names none."""
        active = self._holder.active
        if caller.limited_to is not None:
            return usual(active.config, caller.limited_to)
        folder = None
        if active.choices.need_folder and caller.pid is not None:
            folder = self._folder_of(caller.pid)
        uid = chooser(caller.uid, os.geteuid())
        return active.choices.pick(active.config, uid=uid, folder=folder, agent=caller.harness)

    def last_denial(self, credential: str) -> Denial | None:
        """Return the last denial of a token of *credential*; a restart forgets it."""
        return self._denials.get(credential)

    def served(self, credential: str) -> None:
        """Note that a token of *credential* was handed out, for whatever audience and scopes."""
        denial = self._denials.get(credential)
        if denial is not None and denial.last:
            self._denials[credential] = msgspec.structs.replace(denial, last=False)

    @property
    def config(self) -> Config:
        """The current configuration."""
        return self._holder.active.config

    @property
    def locked(self) -> bool:
        """Whether nothing may be handed out or changed."""
        return self._locked()

    def check_unlocked(self) -> None:
        """Refuse all but status and unlock, even for tokens in memory."""
        if self._locked():
            raise LOCKED.error()

    async def _authorize_closely(
        self, action: str, peer: Peer, token_request: TokenRequest
    ) -> Authorized:
        caller = await self._identify_closely(peer)
        asked_as = token_request.credential
        try:
            found = find_on_grant(self._holder.active.config, asked_as)
        except BrokerError:
            # The same words as for a name that exists: a caller without permission does not learn
            # what exists.
            self._require(action, caller, subject=f'"{asked_as}"')
            raise
        token_request = msgspec.structs.replace(token_request, credential=found.name)
        return self._authorize(action, caller, token_request, asked_as=asked_as)

    def _authorize(
        self,
        action: str,
        caller: Caller,
        token_request: TokenRequest,
        *,
        asked_as: str | None = None,
    ) -> Authorized:
        """Decide on a request; a denial names what the caller named, *asked_as*."""
        active = self._holder.active
        name = token_request.credential
        subject = f'"{asked_as or name}"'
        if name == DEFAULT_NAME:
            subject = "the default credential"
            found = self.chosen(caller).credential
            name = _EVERYTHING if found is None else found.name
        else:
            found = active.config.credentials.get(name)
        resource = Resource(credential=name, provider="" if found is None else found.provider)
        decision = self._decide(active, action, caller, token_request.format, resource, subject)
        if action != "Inspect":
            self.check_unlocked()
            if not caller.is_daemon:
                self._asked()
        authorized = Authorized(
            request_id=f"{next(self._counter):x}",
            action=action,
            caller=caller,
            token_request=token_request,
            # Decided before this: a caller that may get nothing also learns no names.
            credential=found
            or find_credential(
                active.config,
                token_request.credential,
                by_claude_code=_by_claude_code(caller, token_request),
            ),
            rules=decision.rules,
            obligations=decision.obligations,
        )
        if token_request.format != NOTHING:
            self._check_destination(authorized)
        return authorized

    def _check_destination(self, authorized: Authorized) -> None:
        """Raise `denied` if the token would go to a host that it is not bound to."""
        credential, token_request = authorized.credential, authorized.token_request
        refusal = _refusal(authorized)
        if refusal is None and (folder := token_request.folder) is not None:
            reason = check_folder(
                credential.base_urls, credential.allowed_flags, folder, name=credential.name
            )
            if reason is not None:
                refusal = Refusal(reason=reason, rule="settings-file", variables=())
        if refusal is not None:
            raise self._denied(
                authorized.action,
                credential.name,
                token_request.format,
                authorized.caller,
                refusal.rule,
                f'"{credential.name}" {refusal.reason}',
                variables=refusal.variables,
            )

    def _denied(
        self,
        action: str,
        credential: str,
        format_name: str,
        caller: Caller,
        rule: str | None,
        message: str,
        *,
        variables: tuple[str, ...] = (),
    ) -> BrokerError:
        """Record a denial and return it as an error."""
        denial = self._recorder.denied(
            action, credential, format_name, caller, rule, variables=variables, message=message
        )
        # Of names that do not exist there are too many.
        if action == "Issue" and credential in self.config.credentials:
            self._denials[credential] = denial
        return BrokerError(Kind.DENIED, message)

    def _require(
        self,
        action: str,
        caller: Caller,
        *,
        subject: str | None = None,
        although_locked: bool = False,
    ) -> Caller:
        subject = subject or action.lower()
        everything = Resource(credential=_EVERYTHING)
        self._decide(self._holder.active, action, caller, NOTHING, everything, subject)
        if action != "Inspect" and not although_locked:
            self.check_unlocked()
        return caller

    def _identify(self, peer: Peer) -> Caller:
        return self._check_recursion(peer.identify())

    async def _identify_closely(self, peer: Peer) -> Caller:
        return self._check_recursion(await peer.identify_closely())

    def _check_recursion(self, caller: Caller) -> Caller:
        above = [each.pid for each in caller.ancestors]
        # A worker that asks us would wait for its own flight. All workers are below this process.
        maybe_below = self._own_pid in above or not caller.ancestry_complete
        if maybe_below and not self._worker_pids().isdisjoint((caller.pid, *above)):
            raise BrokerError(
                Kind.RECURSION,
                "a worker of this daemon asked this daemon: "
                "take credward out of the program that the provider runs",
            )
        return caller

    def _decide(
        self,
        active: Active,
        action: str,
        caller: Caller,
        format_name: str,
        resource: Resource,
        subject: str,
    ) -> Decision:
        """Return the decision that permits it, or raise a denial of *subject*."""
        if (why := _beyond(caller, action, resource)) is not None:
            raise self._denied(
                action, resource.credential, format_name, caller, _LIMIT, f"{subject} {why}"
            )
        decision = active.policy.decide(caller, action, resource)
        if decision.allowed and not decision.obligations:
            return decision
        reason = decision.reason
        if decision.allowed:
            reason = (
                f"denied, the policy that permits it needs @{decision.obligations[0].name}, which "
                "this version does not support: remove that from the policy"
            )
        rule = decision.rules[0] if decision.rules else None
        raise self._denied(
            action, resource.credential, format_name, caller, rule, f"{subject} {reason}"
        )


def _beyond(caller: Caller, action: str, resource: Resource) -> str | None:
    """Return why a caller that is limited to some credentials may not do this, None if it may."""
    if caller.limited_to is None:
        return None
    if action == "Issue" and resource.credential in caller.limited_to:
        return None
    return (
        f"is not among what the endpoint {caller.door} hands out ({', '.join(caller.limited_to)}): "
        "ask for one of these, or ask on the machine of the daemon"
    )


def _by_claude_code(caller: Caller, token_request: TokenRequest) -> bool:
    """Return whether Claude Code asks for itself, as its settings say, and not one of its tools."""
    return (
        caller.harness == CLAUDE_CODE
        and (token_request.format == "token" or token_request.claims == "found")
        and not token_request.in_tool
    )


def _refusal(authorized: Authorized) -> Refusal | None:
    """Return why the token must not go where the caller says, None if it may.

    Claude Code does not follow an option in its helper's line: what its environment says counts
    too.
    """
    credential, token_request = authorized.credential, authorized.token_request
    if token_request.claims == "none":
        return check_endpoint(
            credential.base_urls, bound=credential.bound, origin=credential.origin
        )
    by_claude_code = _by_claude_code(authorized.caller, token_request)
    by_environment = token_request.environment_base_url or ()
    told = by_environment if by_claude_code else ()
    # Mostly the same one.
    places = dict.fromkeys((token_request.client_base_url, *told))
    found = (
        check_base_url(
            credential.base_urls,
            credential.allowed_flags,
            place,
            token_request.client_flags,
            name=credential.name,
            by_claude_code=by_claude_code,
            # An address that the caller names itself is not theirs.
            switches=token_request.client_switches if place in by_environment else (),
        )
        for place in places
    )
    return next((refusal for refusal in found if refusal is not None), None)
