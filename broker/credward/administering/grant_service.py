"""What people do with grants: list them, hand one over, keep a login's grant, log out, revoke.

Asks `gate` like everything else, and records each step; `keeper` holds the grants, `login_service`
does logins.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import msgspec

from credward.administering.leftovers import unused_grants
from credward.callers.peer import Peer
from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.config.sources import names_on
from credward.errors import BrokerError, Failure, Kind
from credward.grants.grant_record import GrantRecord, GrantView
from credward.grants.keeper import new_family
from credward.grants.kept import Kept
from credward.grants.records import LONGEST_SECRET
from credward.issuing.asking import on_grant
from credward.issuing.gate import Gate, settled
from credward.issuing.recording import Recorder
from credward.lifecycle.vocabulary import TokenKey
from credward.logins.logins import Given
from credward.logins.notices import LoginNotices
from credward.logins.waiters import FailedLogin, LoginWaiters
from credward.minting.minted import Minted
from credward.minting.minting import needs_login
from credward.minting.waking import login_changed
from credward.settings.grants import bound_to, names_server
from credward.store.journal import GrantFields
from credward.tokens import Secret
from credward.workers.link import RevokeRequest

__all__ = ["Forgotten", "GrantService"]

_log = logging.getLogger(__name__)

_REVOKED = Failure.of(
    Kind.PROVIDER_UNREACHABLE, "all tokens were dropped: ask again", retry_after=0.0
)
# How long the caller waits while a handed-over grant is tried (seconds).
_TRIAL = 20.0
# Nobody waits longer than this for revoking upstream (seconds).
_REVOKE = 8.0


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that was dropped; *failure*: why it could not be revoked upstream.

    *credentials* is empty for a grant that no credential used any more. *account*: whose it was.
    """

    grant: str
    credentials: tuple[str, ...]
    # Whether there was anything to drop.
    held: bool
    # Whether it is gone from disk too; if not, we retry until it is.
    durable: bool
    revoked: bool
    account: str | None = None
    failure: Failure | None = None


class GrantService:
    """What an owner can do with grants."""

    def __init__(
        self,
        *,
        clock: Clock,
        gate: Gate,
        recorder: Recorder,
        kept: Kept,
        minted: Minted,
        login_waiters: LoginWaiters,
        notices: LoginNotices,
    ) -> None:
        self._clock = clock
        self._gate = gate
        self._recorder = recorder
        self._driver = minted.driver
        self._minting = minted.minting
        self._pool = kept.pool
        self._opened_store = kept.opened_store
        self._records = kept.records
        self._keeper = kept.keeper
        self._scrub = kept.scrub
        self._login_waiters = login_waiters
        self._notices = notices

    def views(self) -> Sequence[tuple[GrantView, str, tuple[str, ...]]]:
        """Return every grant that comes from a login: its view, its provider, its credentials."""
        found: dict[str, tuple[GrantView, str, tuple[str, ...]]] = {}
        for each in self._config.credentials.values():
            terms = each.meaning.grant
            if (terms.logins or terms.rotating) and each.grant not in found:
                view = self._keeper.view(each.grant)
                never = view.given_at is None and view.failure is None
                if terms.logins and never and not self._opened_store.locked:
                    # What callers will be told.
                    view = msgspec.structs.replace(view, failure=needs_login(each))
                if view.failure is not None:
                    why = self.explained(each.grant, view.failure)
                    view = msgspec.structs.replace(view, failure=why)
                found[each.grant] = (view, each.provider, names_on(self._config, each.grant))
        return list(found.values())

    def explained(self, grant: str, failure: Failure) -> Failure:
        """Return *failure* with the reason why the last login failed, if it asks for one."""
        return self._login_waiters.explained(grant, failure)

    def failed_login(self, grant: str) -> FailedLogin | None:
        """Return how the last login of *grant* failed, None since one worked, or it was dropped."""
        return self._login_waiters.last_failure(grant)

    async def keep(
        self,
        credential: CredentialConfig,
        fields: GrantFields,
        *,
        by_agent: bool = False,
        trial: int | None = None,
    ) -> Given:
        """Keep the grant of a login and serve the callers that wait for it.

        *by_agent*: an agent started it, and may have finished it too, under any account. So it can
        only renew the login of the account that was there. *trial*: see `GrantKeeper.give`.
        """
        before = self._keeper.peek(credential.grant)
        known = before.account if before is not None else None
        # During the trial nobody knows whose it is.
        same_account = trial is not None or before is None or before.account == fields.account
        if by_agent and known is not None and fields.account != known:
            raise BrokerError(
                Kind.DENIED,
                f'"{credential.name}" keeps its account, because an agent started a login with '
                f"another one: run credward login {credential.name} in your own terminal",
            )
        if not same_account:
            # Another account logged in: tokens minted for the old one are not theirs.
            self._driver.grant_parked(credential.grant, needs_login(credential), drop=True)
        durable = await self._keeper.give(
            credential.grant,
            credential.provider,
            fields,
            bound_to=_place(credential),
            trial=trial,
        )
        self._driver.grant_given(credential.grant)
        woken = login_changed(
            self._config, self._driver, credential.grant, same_account=same_account
        )
        grants = {credential.grant, *(each.grant for each in woken)}
        for grant in grants:
            self._notices.login_given(grant)
        self._scrub()
        return Given(
            durable=durable,
            credentials=names_on(self._config, credential.grant),
            turned_away=sum(self._login_waiters.take(grant) for grant in grants),
        )

    async def import_grant(self, peer: Peer, name: str, secret: Secret) -> tuple[str, Given]:
        """Take over an existing refresh token for good, once it has worked.

        It is tried at once. Until it has worked we also keep the earlier login, even through a
        restart. If the server refuses the new one, we go back to the earlier login and raise the
        refusal.
        """
        authorized = await settled(self._gate.authorize("Manage", peer, on_grant(name)))
        credential = authorized.credential
        terms = credential.meaning.grant
        if not (terms.logins or terms.rotating):
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{credential.name}" needs no grant: run credward get {credential.name}',
            )
        text = secret.reveal().strip()
        if not text or len(text) > LONGEST_SECRET or not text.isprintable():
            raise BrokerError(
                Kind.BAD_REQUEST,
                "this is not a refresh token (one line, at most 32 KiB): pipe the bare token in",
            )
        await self._opened_store.open(self._config, again=True)
        before, trial = self._keeper.peek(credential.grant), new_family()
        given = await self.keep(credential, GrantFields(secret=text), trial=trial)
        # Before the trial, so that it is recorded even if the daemon ends meanwhile.
        self._recorder.managed(authorized, "grant-handed-over")
        await self._try(credential)
        record = self._keeper.peek(credential.grant)
        if record is not None and record.family == trial and record.parked is None:
            untried = self._why(credential) if record.untried else None
            return credential.grant, msgspec.structs.replace(given, untried=untried)
        known = {trial} if before is None else {trial, before.family}
        if record is None or record.family not in known:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{credential.name}" was logged out or logged in again while the token that was '
                "handed over was tried: run credward status",
            )
        self._recorder.managed(authorized, "grant-turned-down")
        raise _turned_down(credential, record).error()

    async def _try(self, credential: CredentialConfig) -> None:
        """Mint with the token that was handed over; the record of the grant holds the result."""
        now = self._config.credentials.get(credential.name)
        if now is None or now.epoch != credential.epoch:
            # Reloaded meanwhile: the next caller for the new configuration tries the grant.
            return
        # The mint goes on even if nobody waits for it any more.
        with contextlib.suppress(BrokerError, TimeoutError):
            answer = self._driver.force(TokenKey(credential.name, credential.epoch))
            if isinstance(answer, asyncio.Future):
                await asyncio.wait_for(answer, _TRIAL)

    def _why(self, credential: CredentialConfig) -> Failure:
        """Return why a grant has not worked yet."""
        slow = Failure.of(Kind.TIMED_OUT, "the first mint with it has not ended yet")
        return self._driver.view(credential.name).failure or slow

    # --- revoking and dropping --------------------------------------------------------------

    async def log_out(self, peer: Peer, name: str) -> Forgotten:
        """Revoke a grant upstream if that is possible, and forget it in any case.

        Raise `bad-request` for a key that is handed out as it is.
        """
        try:
            authorized = await settled(self._gate.authorize("Manage", peer, on_grant(name)))
        except BrokerError as error:
            if error.kind is not Kind.UNKNOWN_CREDENTIAL:
                raise
            if (unused := await self._log_out_unused(peer, name)) is None:
                raise
            return unused
        credential = authorized.credential
        if credential.meaning.handed_out is not None:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{credential.name}" is a key, not a login, and goes on working: to stop it, run '
                f"credward remove {credential.name}",
            )
        await self._opened_store.open(self._config, again=True)
        forgotten = await self._forget(credential)
        self._recorder.managed(authorized, "logged-out")
        return forgotten

    async def _log_out_unused(self, peer: Peer, name: str) -> Forgotten | None:
        """Forget a grant that no credential uses; None if there is none of this name."""
        caller = await self._gate.require_owner("Manage", peer)
        await self._opened_store.open(self._config, again=True)
        if name not in unused_grants(self._config, self._records):
            return None
        forgotten = await self._forget_unused(name)
        self._recorder.acted(caller, "Manage", "logged-out", about=name)
        return forgotten

    async def revoke_all(self, peer: Peer) -> list[Forgotten]:
        """Revoke what can be revoked, then drop every grant and every token: the panic button.

        That includes grants in the store that no credential uses any more.
        """
        caller = await self._gate.require_owner("Manage", peer)
        config = self._config
        await self._opened_store.open(config, again=True)
        first: dict[str, CredentialConfig] = {}
        for each in config.credentials.values():
            terms = each.meaning.grant
            if terms.logins or terms.rotating:
                first.setdefault(each.grant, each)
        done = await asyncio.gather(
            *(self._forget(each) for each in first.values()),
            *(self._forget_unused(name) for name in unused_grants(config, self._records)),
        )
        self._driver.drop_all(_REVOKED)
        await self._records.save()
        # Afterwards: a full disk is no reason to keep anything.
        self._recorder.acted(caller, "Manage", "revoked-all")
        # An unused record without a secret was no login: nothing to tell.
        return [each for each in done if each.held or each.credentials]

    async def dropped(self, before: Config) -> None:
        """Drop the grants that the configuration *before* had and the current one does not have.

        But only if their settings say so: a table that was removed may come back.
        """
        kept = {each.grant for each in self._config.credentials.values()}
        gone = {each.grant: each for each in before.credentials.values() if each.grant not in kept}
        for grant in gone:
            self._login_waiters.forget_failure(grant)
        for grant, credential in gone.items():
            if not credential.meaning.grant.revoke_on_drop:
                continue
            try:
                forgotten = await self._forget(credential)
            except BrokerError as failure:
                _log.warning("grant %s is not revoked: %s", grant, failure.message)
                continue
            if not forgotten.durable:
                _log.warning("grant %s is forgotten, but not on disk yet: retrying", grant)
            if forgotten.failure is not None:
                _log.warning("grant %s is not revoked: %s", grant, forgotten.failure.message)
            elif forgotten.revoked:
                _log.info("grant %s is revoked, no credential uses it any more", grant)

    async def _forget(self, credential: CredentialConfig) -> Forgotten:
        grant = credential.grant
        record = self._records.load(grant)
        # First forget it here, before we wait for anything: from now on nobody gets a token of it,
        # whatever happens on disk or upstream.
        self._driver.grant_parked(grant, needs_login(credential), drop=True)
        login_changed(self._config, self._driver, grant, same_account=False)
        durable = await self._keeper.give_up(grant)
        if not credential.meaning.grant.logins:
            # Needs no human: the next mint logs in by itself.
            self._driver.grant_given(grant)
        return await self._end(grant, record, credential=credential, durable=durable)

    async def _forget_unused(self, grant: str) -> Forgotten:
        """Forget a grant that no credential uses; its tokens went with their credentials."""
        record = self._records.load(grant)
        durable = await self._keeper.give_up(grant)
        return await self._end(grant, record, credential=None, durable=durable)

    async def _end(
        self,
        grant: str,
        record: GrantRecord | None,
        *,
        credential: CredentialConfig | None,
        durable: bool,
    ) -> Forgotten:
        """Revoke what *record* holds, which is forgotten already, and return what was done."""
        self._login_waiters.forget_failure(grant)
        failure, revoked = None, False
        account = record.account if record is not None else None
        held = record is not None and record.secret is not None
        while record is not None and record.secret is not None:
            try:
                await self._revoke(grant, credential, record)
                revoked = True
            except BrokerError as error:
                failure = error.failure
            record = record.before
        self._scrub()
        return Forgotten(
            grant=grant,
            credentials=() if credential is None else names_on(self._config, grant),
            held=held,
            # A new grant may have been saved meanwhile.
            durable=durable or not self._records.unsaved,
            revoked=revoked,
            account=account,
            failure=failure,
        )

    async def _revoke(
        self, grant: str, credential: CredentialConfig | None, record: GrantRecord
    ) -> None:
        assert record.secret is not None
        if credential is None:
            credential = self._at_its_server(record)
        if credential is None:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{grant}" was not revoked, no credential names its server and client any more: '
                "end that session there",
            )
        if not record.is_for(credential.provider, _place(credential)):
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{credential.name}" was not revoked, it belongs to another server or client than '
                "its settings name now: end that session there",
            )
        request = RevokeRequest(
            credential=credential.name,
            settings=msgspec.to_builtins(credential.settings),
            grant=Secret(record.secret),
            secrets=await self._minting.secrets_of(self._config, credential),
            network=self._config.network,
            now=self._clock.now(),
        )
        await self._pool.revoke(credential.provider, request, deadline=_REVOKE)

    def _at_its_server(self, record: GrantRecord) -> CredentialConfig | None:
        """Return a credential with the server and client of an unused grant, None without one."""
        for each in self._config.credentials.values():
            known = record.bound_to is not None and names_server(each.meaning.grant)
            if known and record.is_for(each.provider, _place(each)):
                return each
        return None

    @property
    def _config(self) -> Config:
        return self._gate.config


def _place(credential: CredentialConfig) -> str:
    return bound_to(credential.provider, credential.meaning.grant, credential.settings)


def _turned_down(credential: CredentialConfig, record: GrantRecord) -> Failure:
    """Return the error for a refused refresh token; *record*: the current grant."""
    if record.parked is not None:
        return record.parked.failure()
    name = credential.name
    return Failure.of(
        Kind.PROVIDER_REFUSED,
        f'"{name}" keeps its earlier login, the server refused the refresh token that was '
        f"handed over: hand over another one, or run credward login {name}",
    )
