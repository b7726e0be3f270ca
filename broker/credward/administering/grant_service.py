"""What people do with grants: look at them, hand one over, keep what a login gave, log out, revoke.

Decides through `gate` like everything else and records each step; the grants themselves are
`keeper`'s, logins are `login_service`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence

import msgspec

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
from credward.logins.waiters import LoginWaiters
from credward.minting.minted import Minted
from credward.minting.minting import needs_login
from credward.minting.waking import login_changed
from credward.settings.grants import bound_to
from credward.store.journal import GrantFields
from credward.tokens import Secret
from credward.workers.link import RevokeRequest

__all__ = ["Forgotten", "GrantService"]

_log = logging.getLogger(__name__)

_REVOKED = Failure.of(
    Kind.PROVIDER_UNREACHABLE, "all tokens were dropped: ask again", retry_after=0.0
)
# A grant that is handed over is tried for as long as somebody waits (seconds).
_TRIAL = 20.0
# Revoking upstream is a courtesy that nobody waits longer for (seconds).
_REVOKE = 8.0


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that was given up; *failure*: why it could not be revoked upstream."""

    grant: str
    credentials: tuple[str, ...]
    # Whether there was anything to give up.
    held: bool
    # Whether the disk has forgotten it too; where not, that is tried again until it has.
    durable: bool
    revoked: bool
    failure: Failure | None = None


class GrantService:
    """The owner's side of the grants."""

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
        """Return every grant that a login gives: its view, its provider, its credentials."""
        found: dict[str, tuple[GrantView, str, tuple[str, ...]]] = {}
        for each in self._config.credentials.values():
            terms = each.meaning.grant
            if (terms.logins or terms.rotating) and each.grant not in found:
                view = self._keeper.view(each.grant)
                never = view.given_at is None and view.failure is None
                if terms.logins and never and not self._opened_store.locked:
                    # What whoever asks will hear.
                    view = msgspec.structs.replace(view, failure=needs_login(each))
                found[each.grant] = (view, each.provider, names_on(self._config, each.grant))
        return list(found.values())

    async def keep(
        self,
        credential: CredentialConfig,
        fields: GrantFields,
        *,
        by_agent: bool = False,
        trial: int | None = None,
    ) -> Given:
        """Keep what a login gave and serve whoever waits for it.

        *by_agent*: an agent started it, and may have ended it too, as whom it likes. So it only
        renews the login of the account that was there. *trial*: see `GrantKeeper.give`.
        """
        before = self._keeper.peek(credential.grant)
        known = before.account if before is not None else None
        # On trial nobody knows yet whose it is.
        same_account = trial is not None or before is None or before.account == fields.account
        if by_agent and known is not None and fields.account != known:
            raise BrokerError(
                Kind.DENIED,
                f'"{credential.name}" stays with its account, as an agent asked for the login of '
                f"another: run credward login {credential.name} in a terminal of your own",
            )
        if not same_account:
            # Somebody else logged in: what was minted for the one before is not theirs.
            self._driver.grant_parked(credential.grant, needs_login(credential), drop=True)
        durable = await self._keeper.give(
            credential.grant,
            credential.provider,
            fields,
            bound_to=bound_to(credential.provider, credential.meaning.grant, credential.settings),
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
        """Take an existing refresh token into sole ownership, once it has worked.

        It is tried at once. The login before stays beside it until then, through a restart too, and
        is back where the server refuses the new one, which is raised.
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
        await self._opened_store.open(self._config)
        before, trial = self._keeper.peek(credential.grant), new_family()
        given = await self.keep(credential, GrantFields(secret=text), trial=trial)
        # Before it is tried, so that it is written down whatever ends the daemon meanwhile.
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
                f'"{credential.name}" was logged out, or got another login, while what was handed '
                "over was tried: run credward status",
            )
        self._recorder.managed(authorized, "grant-turned-down")
        raise _turned_down(credential, record).error()

    async def _try(self, credential: CredentialConfig) -> None:
        """Mint with what was handed over; what came of it stands in the record of the grant."""
        now = self._config.credentials.get(credential.name)
        if now is None or now.epoch != credential.epoch:
            # Reloaded meanwhile: whoever asks for what it is now tries the grant.
            return
        # The mint goes on where nobody waits for it any more.
        with contextlib.suppress(BrokerError, TimeoutError):
            answer = self._driver.force(TokenKey(credential.name, credential.epoch))
            if isinstance(answer, asyncio.Future):
                await asyncio.wait_for(answer, _TRIAL)

    def _why(self, credential: CredentialConfig) -> Failure:
        """Return why a grant has not worked yet."""
        slow = Failure.of(Kind.TIMED_OUT, "the first mint with it has not ended yet")
        return self._driver.view(credential.name).failure or slow

    # --- giving up --------------------------------------------------------------------------

    async def log_out(self, peer: Peer, name: str) -> Forgotten:
        """Revoke a grant upstream where that is possible, and forget it in any case."""
        authorized = await settled(self._gate.authorize("Manage", peer, on_grant(name)))
        credential = authorized.credential
        await self._opened_store.open(self._config)
        forgotten = await self._forget(credential)
        self._recorder.managed(authorized, "logged-out")
        return forgotten

    async def revoke_all(self, peer: Peer) -> list[Forgotten]:
        """Revoke what can be revoked, then drop every grant and every token: the panic button."""
        caller = await self._gate.require_owner("Manage", peer)
        config = self._config
        await self._opened_store.open(config)
        first: dict[str, CredentialConfig] = {}
        for each in config.credentials.values():
            terms = each.meaning.grant
            if terms.logins or terms.rotating:
                first.setdefault(each.grant, each)
        done = await asyncio.gather(*(self._forget(each) for each in first.values()))
        self._driver.drop_all(_REVOKED)
        await self._records.save()
        # Afterwards: a full disk is no reason to keep anything.
        self._recorder.acted(caller, "Manage", "revoked-all")
        return list(done)

    async def dropped(self, before: Config) -> None:
        """Give up the grants that the configuration *before* had and the one in force has not.

        But only those whose settings say so: a table that is edited away may come back.
        """
        kept = {each.grant for each in self._config.credentials.values()}
        gone = {
            each.grant: each
            for each in before.credentials.values()
            if each.grant not in kept and each.meaning.grant.revoke_on_drop
        }
        for grant, credential in gone.items():
            try:
                forgotten = await self._forget(credential)
            except BrokerError as failure:
                _log.warning("grant %s is not revoked: %s", grant, failure.message)
                continue
            if not forgotten.durable:
                _log.warning("grant %s is forgotten, but not on disk yet: tried again", grant)
            if forgotten.failure is not None:
                _log.warning("grant %s is not revoked: %s", grant, forgotten.failure.message)
            elif forgotten.revoked:
                _log.info("grant %s is revoked, nothing is on it any more", grant)

    async def _forget(self, credential: CredentialConfig) -> Forgotten:
        grant = credential.grant
        record = self._records.load(grant)
        # First here, before anything is waited for: from now on nobody is handed anything of it,
        # whatever disk and upstream say.
        self._driver.grant_parked(grant, needs_login(credential), drop=True)
        login_changed(self._config, self._driver, grant, same_account=False)
        durable = await self._keeper.give_up(grant)
        if not credential.meaning.grant.logins:
            # No human is needed: the next mint logs in by itself.
            self._driver.grant_given(grant)
        failure, revoked = None, False
        held = record is not None and record.secret is not None
        while record is not None and record.secret is not None:
            try:
                await self._revoke(credential, record)
                revoked = True
            except BrokerError as error:
                failure = error.failure
            record = record.before
        self._scrub()
        return Forgotten(
            grant=grant,
            credentials=names_on(self._config, grant),
            held=held,
            # What comes next may have been saved meanwhile.
            durable=durable or not self._records.unsaved,
            revoked=revoked,
            failure=failure,
        )

    async def _revoke(self, credential: CredentialConfig, record: GrantRecord) -> None:
        assert record.secret is not None
        place = bound_to(credential.provider, credential.meaning.grant, credential.settings)
        if not record.is_for(credential.provider, place):
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{credential.name}" was not revoked, it is of another server or client than its '
                "settings name now: end that session there",
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

    @property
    def _config(self) -> Config:
        return self._gate.config


def _turned_down(credential: CredentialConfig, record: GrantRecord) -> Failure:
    """Return what the one hears whose refresh token was refused; *record*: what there is now."""
    if record.parked is not None:
        return record.parked.failure()
    name = credential.name
    return Failure.of(
        Kind.PROVIDER_REFUSED,
        f'"{name}" keeps the login that it had, the server refused the refresh token that was '
        f"handed over: hand over another one, or run credward login {name}",
    )
