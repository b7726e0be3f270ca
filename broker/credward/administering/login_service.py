"""What people do with logins: start or join one, watch, answer, cancel.

Asks `gate`, and decides how much of a login an agent may see; `logins` holds the conversation,
`grant_service` keeps the grant.
"""

from __future__ import annotations

from credward.administering.login_checks import LoginChecks
from credward.callers.caller import Caller
from credward.callers.peer import Peer
from credward.clock import Clock
from credward.config import CredentialConfig
from credward.errors import BrokerError, Kind
from credward.grants.kept import Kept
from credward.grants.opened_store import LOCKED
from credward.issuing.asking import on_grant
from credward.issuing.gate import Gate, settled
from credward.issuing.recording import Recorder
from credward.logins.logins import Logins, LoginSession
from credward.settings.checks import json_object

__all__ = ["LoginService"]

# An agent may ask for a login of one grant once in so many seconds; the owner at any time.
_AGENT_LOGINS = 60.0
_LONGEST_CLAIMS = 4 * 1024


class LoginService:
    """What an owner can do with logins, and what agents may do."""

    def __init__(
        self, *, clock: Clock, gate: Gate, recorder: Recorder, kept: Kept, logins: Logins
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._recorder = recorder
        self._opened_store = kept.opened_store
        self._keeper = kept.keeper
        self._logins = logins
        self._checks = LoginChecks(clock=clock, logins=logins)
        self._agent_logins: dict[str, float] = {}

    async def log_in(
        self, peer: Peer, name: str, method: str | None, claims: str | None
    ) -> tuple[LoginSession, bool]:
        """Start a login for a grant or a credential on it, or join the current one.

        It answers *claims*, a challenge as JSON, else the challenge that the grant was parked with.
        """
        authorized = await settled(self._gate.authorize("Login", peer, on_grant(name)))
        config = self._gate.config
        credential = authorized.credential
        agent = authorized.caller.harness is not None
        # Before the browser opens: if the grant cannot be kept, the user would have to do it twice.
        await self._opened_store.open(config, again=not agent)
        if self._opened_store.locked:
            raise LOCKED.error()
        if claims:
            _check_claims(credential, claims)
        if agent and self._logins.under_way(credential.grant) is None:
            self._check_agent(credential.grant)
        claims = claims or self._challenge(credential)
        session, attached = self._logins.start(
            config, credential, method, by_agent=agent, claims=claims
        )
        if not attached:
            if agent:
                self._agent_logins[credential.grant] = self._clock.elapsed()
            self._recorder.managed(authorized, "login-started")
        return session, attached

    async def check(self, peer: Peer, name: str) -> None:
        """Ask the server of a grant, or of a credential on it, whether people can log in there."""
        authorized = await settled(self._gate.authorize("Login", peer, on_grant(name)))
        self._recorder.managed(authorized, "login-checked")
        await self._checks.check(authorized.caller, self._gate.config, authorized.credential)

    def account_of(self, grant: str) -> str | None:
        """Return whose login the grant has, None if none or unknown."""
        record = self._keeper.peek(grant)
        return None if record is None else record.account

    async def watch(self, peer: Peer, login_id: str) -> tuple[LoginSession, bool]:
        """Return a login for somebody who watches, and whether they may see all of it.

        Anyone who has the URL or the code of a login can finish it under another account.
        """
        caller = await self._gate.require_owner("Login", peer)
        session = self._logins.find(login_id)
        return session, _sees_all(caller, session)

    async def take_part(self, peer: Peer, login_id: str) -> LoginSession:
        """Return a login for somebody who answers it; agents get only logins of agents."""
        caller = await self._gate.require_owner("Login", peer)
        return _check_part(caller, self._logins.find(login_id))

    async def give_up_login(self, peer: Peer, login_id: str) -> None:
        """Cancel a running login; one that has ended stays as it is."""
        caller = await self._gate.require_owner("Login", peer)
        await self._end_login(caller, self._logins.find(login_id))

    async def give_up_login_of(self, peer: Peer, name: str) -> tuple[CredentialConfig, bool]:
        """Cancel the current login of a grant or a credential on it, no matter who started it.

        Return the credential it was for, and whether there was one.
        """
        authorized = await settled(self._gate.authorize("Login", peer, on_grant(name)))
        credential = authorized.credential
        session = self._logins.under_way(credential.grant)
        if session is None:
            return credential, False
        return session.credential, await self._end_login(authorized.caller, session)

    async def _end_login(self, caller: Caller, session: LoginSession) -> bool:
        _check_part(caller, session)
        given_up = await self._logins.cancel(session)
        if given_up:
            name = session.credential.name
            self._recorder.acted(caller, "Login", "login-given-up", about=name)
        return given_up

    def _challenge(self, credential: CredentialConfig) -> str:
        record = self._keeper.peek(credential.grant)
        return record.parked.challenge if record is not None and record.parked is not None else ""

    def _check_agent(self, grant: str) -> None:
        now = self._clock.elapsed()
        last = self._agent_logins.get(grant)
        if last is not None and now - last < _AGENT_LOGINS:
            raise BrokerError(
                Kind.RATE_LIMITED,
                f'a login for "{grant}" was asked for a moment ago: '
                f"run credward login {grant} in your own terminal",
                retry_after=_AGENT_LOGINS - (now - last),
            )


def _sees_all(caller: Caller, session: LoginSession) -> bool:
    return caller.harness is None or session.by_agent


def _check_part(caller: Caller, session: LoginSession) -> LoginSession:
    if not _sees_all(caller, session):
        raise BrokerError(
            Kind.DENIED,
            f'the login of "{session.credential.name}" was started by its owner: '
            "continue it in the terminal that shows it",
        )
    return session


def _check_claims(credential: CredentialConfig, claims: str) -> None:
    if "claims" not in credential.settings.__struct_fields__:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'the provider of "{credential.name}" does not support claims challenges: '
            f"run credward login {credential.name}",
        )
    if json_object(claims) is None or len(claims) > _LONGEST_CLAIMS:
        raise BrokerError(
            Kind.BAD_REQUEST, "claims must be a JSON object, as in a claims challenge"
        )
