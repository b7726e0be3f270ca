"""The first half of every request: who asks, and may they. What passes is an `Authorized`.

Denials are written down here; what is handed out afterwards is `issuer`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from credward.callers.caller import Caller
from credward.config import Config
from credward.errors import BrokerError, Kind
from credward.grants.opened_store import LOCKED
from credward.issuing.asking import DEFAULT_NAME, find_credential, find_on_grant
from credward.issuing.authorized import Authorized
from credward.issuing.recording import Recorder
from credward.policy.base_url import check_base_url
from credward.policy.engine import PolicyEngine, Resource
from credward.policy.redirects import check_folder
from credward.tokens import TokenRequest

__all__ = ["Active", "Gate", "Holder", "Peer"]

_EVERYTHING = "*"


class Peer(Protocol):
    """The other end of a connection, attested anew for each request."""

    def identify(self) -> Caller:
        """Return who asks, or raise `denied`."""
        ...

    async def identify_closely(self) -> Caller:
        """Return who asks, after a second look that is worth its time where an agent must not."""
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


class Gate:
    """Identifies and decides."""

    def __init__(
        self,
        *,
        holder: Holder,
        recorder: Recorder,
        worker_pids: Callable[[], Container[int]],
        locked: Callable[[], bool],
        asked: Callable[[], None] = lambda: None,
    ) -> None:
        self._holder = holder
        self._recorder = recorder
        self._worker_pids = worker_pids
        self._locked = locked
        self._asked = asked
        self._counter = itertools.count(1)

    def admit(self, action: str, peer: Peer, token_request: TokenRequest) -> Authorized:
        """Let this request through, or raise; what is denied is recorded.

        A denial names only what the caller named.
        """
        return self._admit(action, self._identify(peer), token_request)

    async def admit_owner(self, action: str, peer: Peer, name: str) -> Authorized:
        """Let this through for the credential *name*, else for one on the grant of that name.

        For what owners do, and agents should not. Of what there is, nobody hears who may do nothing
        of the kind.
        """
        caller = await self._identify_closely(peer)
        try:
            found = find_on_grant(self._holder.active.config, name)
        except BrokerError:
            # In the same words as for one that there is.
            self._require(action, caller, subject=f'"{name}"')
            raise
        token_request = TokenRequest(credential=found.name, format="-")
        return self._admit(action, caller, token_request, asked_as=name)

    def require(self, action: str, peer: Peer) -> Caller:
        """Decide on an action that is about no single credential; raise `denied`."""
        return self._require(action, self._identify(peer))

    async def require_owner(
        self, action: str, peer: Peer, *, although_locked: bool = False
    ) -> Caller:
        """Decide on one of those that owners do, and agents should not; raise `denied`."""
        caller = await self._identify_closely(peer)
        return self._require(action, caller, although_locked=although_locked)

    def _admit(
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
            try:
                name = find_credential(active.config, name).name
            except BrokerError:
                # The error lists the names, and only who may have all of them is told those.
                self._decide(active, action, caller, token_request.format, _EVERYTHING, subject)
                raise
        # Decided before it is looked up: whoever may have nothing also learns no names.
        rule = self._decide(active, action, caller, token_request.format, name, subject)
        if action != "Inspect":
            self.check_unlocked()
            self._asked()
        return Authorized(
            request_id=f"{next(self._counter):x}",
            action=action,
            caller=caller,
            token_request=token_request,
            credential=find_credential(active.config, name),
            rule=rule,
        )

    @property
    def locked(self) -> bool:
        """Whether nothing is handed out or changed."""
        return self._locked()

    def check_unlocked(self) -> None:
        """Refuse all but looking and unlocking: what lies in memory is no exception."""
        if self.locked:
            raise LOCKED.error()

    def check_destination(self, authorized: Authorized) -> None:
        """Raise `denied` where the token would go to another host than it is bound to."""
        credential, token_request = authorized.credential, authorized.token_request
        rule, reason = (
            "base-url",
            check_base_url(
                credential.base_urls,
                credential.allowed_flags,
                token_request.client_base_url,
                token_request.client_flags,
            ),
        )
        if reason is None and (folder := token_request.folder) is not None:
            rule = "settings-file"
            reason = check_folder(credential.base_urls, credential.allowed_flags, folder)
        if reason is not None:
            self._recorder.denied(
                authorized.action, credential.name, token_request.format, authorized.caller, rule
            )
            raise BrokerError(Kind.DENIED, f'"{credential.name}" {reason}')

    def _require(
        self,
        action: str,
        caller: Caller,
        *,
        subject: str | None = None,
        although_locked: bool = False,
    ) -> Caller:
        subject = subject or action.lower()
        self._decide(self._holder.active, action, caller, "-", _EVERYTHING, subject)
        if action != "Inspect" and not although_locked:
            self.check_unlocked()
        return caller

    def _identify(self, peer: Peer) -> Caller:
        return self._check_recursion(peer, peer.identify())

    async def _identify_closely(self, peer: Peer) -> Caller:
        return self._check_recursion(peer, await peer.identify_closely())

    def _check_recursion(self, peer: Peer, caller: Caller) -> Caller:
        workers = self._worker_pids()
        # A worker that asks us would wait for the very flight that it is in.
        if caller.pid in workers or any(pid in workers for pid in peer.ancestor_pids()):
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
        name: str,
        subject: str,
    ) -> str | None:
        """Return the rule that permits it, or raise a denial of *subject*."""
        configured = active.config.credentials.get(name)
        resource = Resource(credential=name, provider=configured.provider if configured else "")
        decision = active.policy.decide(caller, action, resource)
        if decision.allowed:
            return decision.rule
        self._recorder.denied(action, name, format_name, caller, decision.rule)
        raise BrokerError(Kind.DENIED, f"{subject} {decision.reason}")
