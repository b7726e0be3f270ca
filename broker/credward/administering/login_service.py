"""What people do with logins: begin one or attach to it, look on, answer, give up.

Decides through `gate`, and how much of it an agent may see; the conversation itself is `logins`,
what a login gave is kept by `grant_service`.
"""

from __future__ import annotations

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

# An agent may ask for a login of one grant this often (seconds); its owner as often as he likes.
_AGENT_LOGINS = 60.0
_LONGEST_CLAIMS = 4 * 1024


class LoginService:
    """The owner's side of the logins, and what agents may do beside it."""

    def __init__(
        self, *, clock: Clock, gate: Gate, recorder: Recorder, kept: Kept, logins: Logins
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._recorder = recorder
        self._opened_store = kept.opened_store
        self._keeper = kept.keeper
        self._logins = logins
        self._agent_logins: dict[str, float] = {}

    async def log_in(
        self, peer: Peer, name: str, method: str | None, claims: str | None
    ) -> tuple[LoginSession, bool]:
        """Start a login for a grant or a credential on it, or attach to the one under way.

        It meets *claims*, a challenge as JSON, else the one that the grant was parked with.
        """
        authorized = await settled(self._gate.authorize("Login", peer, on_grant(name)))
        config = self._gate.config
        credential = authorized.credential
        # Before the browser opens: what could not be kept would have to be done twice.
        await self._opened_store.open(config)
        if self._opened_store.locked:
            raise LOCKED.error()
        if claims:
            _check_claims(credential, claims)
        agent = authorized.caller.harness is not None
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

    async def watch(self, peer: Peer, login_id: str) -> tuple[LoginSession, bool]:
        """Return a login for somebody who looks on, and whether all of it may be seen.

        Who has the address or the code of a login can end it as somebody else.
        """
        caller = await self._gate.require_owner("Login", peer)
        session = self._logins.find(login_id)
        return session, _sees_all(caller, session)

    async def take_part(self, peer: Peer, login_id: str) -> LoginSession:
        """Return a login for somebody who answers it: an agent one that an agent began."""
        caller = await self._gate.require_owner("Login", peer)
        return _check_part(caller, self._logins.find(login_id))

    async def give_up_login(self, peer: Peer, login_id: str) -> None:
        """End a login that is under way; one that has ended stays as it ended."""
        caller = await self._gate.require_owner("Login", peer)
        await self._end_login(caller, self._logins.find(login_id))

    async def give_up_login_of(self, peer: Peer, name: str) -> tuple[CredentialConfig, bool]:
        """End the login under way of a grant or a credential on it, whoever began it and where.

        Return whom it was for, and whether there was one to end.
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
                f"run credward login {grant} in a terminal of your own",
                retry_after=_AGENT_LOGINS - (now - last),
            )


def _sees_all(caller: Caller, session: LoginSession) -> bool:
    return caller.harness is None or session.by_agent


def _check_part(caller: Caller, session: LoginSession) -> LoginSession:
    if not _sees_all(caller, session):
        raise BrokerError(
            Kind.DENIED,
            f'the login of "{session.credential.name}" was begun by its owner: '
            "go on with it in the terminal that shows it",
        )
    return session


def _check_claims(credential: CredentialConfig, claims: str) -> None:
    if "claims" not in credential.settings.__struct_fields__:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" has a provider that knows no claims challenges: '
            f"run credward login {credential.name}",
        )
    if json_object(claims) is None or len(claims) > _LONGEST_CLAIMS:
        raise BrokerError(
            Kind.BAD_REQUEST, "claims are a JSON object, as a claims challenge brings it"
        )
