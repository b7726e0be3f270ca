"""What the socket API can ask about grants, logins and the store.

Speaks in types of `wire`; the services beside it decide and act.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from credward import wire
from credward.administering.choosing import ChoosingService
from credward.administering.grant_service import Forgotten, GrantService
from credward.administering.login_service import LoginService
from credward.administering.session_service import SessionService
from credward.administering.store_service import StoreService
from credward.callers.peer import Peer
from credward.grants.secret_binding import Binding
from credward.tokens import Secret

__all__ = ["ManageService"]


class ManageService:
    """What owners can do, for the API.

    *choosing* is what `credward use` speaks to, *sessions* what `credward run` does.
    *files_settled* waits a moment until files hold no token that was just withdrawn.
    """

    def __init__(
        self,
        *,
        grants: GrantService,
        logins: LoginService,
        store: StoreService,
        choosing: ChoosingService,
        sessions: SessionService,
        files_settled: Callable[[], Awaitable[None]],
    ) -> None:
        self.choosing = choosing
        self.sessions = sessions
        self._grants = grants
        self._logins = logins
        self._store = store
        self._files_settled = files_settled

    async def login(self, peer: Peer, name: str, start: wire.LoginStart) -> wire.LoginStarted:
        """Start a login, or join the current one."""
        session, attached = await self._logins.log_in(peer, name, start.method, start.claims)
        return wire.LoginStarted(
            login_id=session.id,
            grant=session.credential.grant,
            credential=session.credential.name,
            account=self._logins.account_of(session.credential.grant),
            attached=attached,
        )

    async def login_check(self, peer: Peer, name: str) -> None:
        """Ask the server of a grant whether people can log in there."""
        await self._logins.check(peer, name)

    async def login_events(
        self, peer: Peer, login_id: str, after: int, seconds: float
    ) -> list[wire.LoginEvent]:
        """Return the events after the first *after*."""
        session, whole = await self._logins.watch(peer, login_id)
        events = await session.events_after(after, seconds)
        return events if whole else [_outline(event) for event in events]

    async def login_answer(self, peer: Peer, login_id: str, answer: wire.LoginAnswer) -> None:
        """Pass on what the user typed."""
        session = await self._logins.take_part(peer, login_id)
        session.answer(answer.field, Secret(answer.value))

    async def login_cancel(self, peer: Peer, login_id: str) -> None:
        """Cancel a login."""
        await self._logins.give_up_login(peer, login_id)

    async def login_cancel_of(self, peer: Peer, name: str) -> wire.LoginGivenUp:
        """Cancel the current login of a grant."""
        credential, given_up = await self._logins.give_up_login_of(peer, name)
        return wire.LoginGivenUp(
            grant=credential.grant, credential=credential.name, given_up=given_up
        )

    async def import_grant(self, peer: Peer, name: str, grant: str) -> wire.GrantGiven:
        """Take over an existing grant for good."""
        kept, given = await self._grants.import_grant(peer, name, Secret(grant))
        return wire.GrantGiven(
            grant=kept,
            durable=given.durable,
            credentials=list(given.credentials),
            turned_away=given.turned_away,
            works=given.untried is None,
            message="" if given.untried is None else wire.line(given.untried),
        )

    async def logout(self, peer: Peer, name: str) -> wire.GrantDropped:
        """Revoke a grant if possible, and forget it."""
        dropped = _dropped(await self._grants.log_out(peer, name))
        await self._files_settled()
        return dropped

    async def revoke_all(self, peer: Peer) -> wire.Dropped:
        """Revoke what can be revoked, then drop everything."""
        dropped = [_dropped(each) for each in await self._grants.revoke_all(peer)]
        await self._files_settled()
        return wire.Dropped(grants=dropped)

    async def lock(self, peer: Peer, passphrase: str | None) -> None:
        """Lock the store."""
        await self._store.lock(peer, None if passphrase is None else Secret(passphrase))
        await self._files_settled()

    async def unlock(self, peer: Peer, passphrase: str | None) -> None:
        """Unlock the store."""
        await self._store.unlock(peer, None if passphrase is None else Secret(passphrase))

    async def secret_names(self, peer: Peer) -> wire.SecretNames:
        """Return the names of stored secrets, and what each is bound to."""
        found = await self._store.secrets(peer)
        return wire.SecretNames(
            names=[name for name, _, _ in found],
            secrets=[
                wire.SecretInfo(
                    name=name, used=used, uses=None if binding is None else _uses(binding)
                )
                for name, binding, used in found
            ],
        )

    async def secret_allow(self, peer: Peer, name: str) -> wire.SecretAllowed:
        """Bind a secret to its use in the current configuration."""
        binding, durable = await self._store.allow_secret(peer, name)
        return wire.SecretAllowed(name=name, uses=_uses(binding), durable=durable)

    async def secret_set(self, peer: Peer, name: str, body: wire.SecretValue) -> wire.SecretKept:
        """Store a secret."""
        durable = await self._store.set_secret(peer, name, Secret(body.value), origin=body.origin)
        return wire.SecretKept(durable=durable, used_by=self._store.users_of(name))

    async def secret_give_back(self, peer: Peer, name: str) -> wire.SecretGivenBack:
        """Return a secret for the file that it was taken out of."""
        value, origin = await self._store.give_back(peer, name)
        return wire.SecretGivenBack(value=value.reveal(), origin=origin)

    async def secret_origin_remove(self, peer: Peer, name: str) -> wire.SecretKept:
        """Have a secret given back no more."""
        return wire.SecretKept(durable=await self._store.remove_origin(peer, name))

    async def secret_remove(self, peer: Peer, name: str) -> wire.SecretKept:
        """Forget a secret."""
        return wire.SecretKept(durable=await self._store.remove_secret(peer, name))


def _outline(event: wire.LoginEvent) -> wire.LoginEvent:
    """Return the part of an event that somebody who may not take part is allowed to know."""
    if event.event in {"done", "error", "prompt_closed"}:
        return event
    return wire.LoginEvent(event="waiting", message="its owner is logging in")


def _uses(binding: Binding) -> list[wire.SecretUse]:
    return [
        wire.SecretUse(credential=each.credential, base_urls=list(each.base_urls))
        for each in binding.uses
    ]


def _dropped(forgotten: Forgotten) -> wire.GrantDropped:
    failure = forgotten.failure
    return wire.GrantDropped(
        grant=forgotten.grant,
        credentials=list(forgotten.credentials),
        held=forgotten.held,
        durable=forgotten.durable,
        revoked=forgotten.revoked,
        account=forgotten.account,
        message="" if failure is None else wire.line(failure),
    )
