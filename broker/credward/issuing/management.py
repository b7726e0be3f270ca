"""What people do with grants, beyond asking for tokens: log in, log out, hand over, revoke, lock.

Decides through `gate` like everything else and records each step; the grants themselves are
`keeper`'s, the conversation of a login is `logins`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.guess import guess
from credward.issuing.admitted import Admitted
from credward.issuing.gate import Gate, Holder, Peer
from credward.issuing.grant_book import GrantBook
from credward.issuing.grant_record import GrantRecord, GrantView
from credward.issuing.keeper import GrantKeeper
from credward.issuing.login_notices import LoginNotices
from credward.issuing.logins import Given, Logins, LoginSession
from credward.issuing.minting import Minting, needs_login, users_of_secret
from credward.issuing.recording import Recorder
from credward.issuing.shell import Shell
from credward.issuing.strongbox import Strongbox
from credward.issuing.token_shelf import TokenShelf
from credward.issuing.turned_away import TurnedAway
from credward.settings.checks import json_object
from credward.settings.grants import bound_to, grant_terms
from credward.store.journal import GrantFields
from credward.tokens import Secret, TokenRequest
from credward.workers.link import RevokeRequest
from credward.workers.pool import WorkerPool

__all__ = ["Forgotten", "Management"]

_log = logging.getLogger(__name__)

# Revoking upstream is a courtesy that nobody waits longer for (seconds).
_REVOKE = 8.0
# An agent may ask for a login of one grant this often (seconds); its owner as often as he likes.
_AGENT_LOGINS = 60.0
_SECRET = "secret:"  # noqa: S105 - the prefix of names in the store
_LONGEST_SECRET = 32 * 1024
_LONGEST_CLAIMS = 4 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """A grant that was given up; *failure*: why it could not be revoked upstream."""

    grant: str
    credentials: tuple[str, ...]
    # Whether there was anything to give up.
    held: bool
    # Whether the disk has forgotten it too; where not, that is tried again until it has.
    durable: bool
    revoked: bool
    failure: BrokerError | None = None


class Management:
    """The owner's side of the daemon."""

    def __init__(
        self,
        *,
        clock: Clock,
        holder: Holder,
        gate: Gate,
        recorder: Recorder,
        shell: Shell,
        pool: WorkerPool,
        strongbox: Strongbox,
        book: GrantBook,
        keeper: GrantKeeper,
        minting: Minting,
        turned_away: TurnedAway,
        shelf: TokenShelf,
        notices: LoginNotices,
        scrub: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._holder = holder
        self._gate = gate
        self._recorder = recorder
        self._shell = shell
        self._pool = pool
        self._strongbox = strongbox
        self._book = book
        self._keeper = keeper
        self._minting = minting
        self._turned_away = turned_away
        self._shelf = shelf
        self._notices = notices
        self._scrub = scrub
        self._agent_logins: dict[str, float] = {}

    # --- logins -----------------------------------------------------------------------------

    async def log_in(
        self, peer: Peer, name: str, method: str | None, claims: str | None, logins: Logins
    ) -> tuple[LoginSession, bool]:
        """Start a login for a grant or a credential on it, or attach to the one under way.

        It meets *claims*, a challenge as JSON, else the one that the grant was parked with.
        """
        config = self._config
        credential = self._on_grant(name)
        admitted = self._admit("Login", peer, credential.name)
        # Before the browser opens: what could not be kept would have to be done twice.
        await self._strongbox.open(config)
        if self._strongbox.locked:
            raise BrokerError(Kind.STORE_LOCKED, "the store is locked: run credward unlock")
        if claims:
            _check_claims(credential, claims)
        agent = admitted.caller.harness is not None
        if agent and logins.under_way(credential.grant) is None:
            self._check_agent(credential.grant)
        claims = claims or self._challenge(credential)
        session, attached = logins.start(config, credential, method, by_agent=agent, claims=claims)
        if not attached:
            if agent:
                self._agent_logins[credential.grant] = self._clock.elapsed()
            self._recorder.managed(admitted, "login-started")
        return session, attached

    def _challenge(self, credential: CredentialConfig) -> str:
        record = self._keeper.peek(credential.grant)
        return record.parked.challenge if record is not None and record.parked is not None else ""

    def watch(self, peer: Peer, login_id: str, logins: Logins) -> tuple[LoginSession, bool]:
        """Return a login for somebody who looks on, and whether all of it may be seen.

        Who has the address or the code of a login can end it as somebody else.
        """
        caller = self._gate.require("Login", peer)
        session = logins.find(login_id)
        return session, caller.harness is None or session.by_agent

    def take_part(self, peer: Peer, login_id: str, logins: Logins) -> LoginSession:
        """Return a login for somebody who answers or ends it: an agent one that an agent began."""
        session, whole = self.watch(peer, login_id, logins)
        if not whole:
            raise BrokerError(
                Kind.DENIED,
                f'the login of "{session.credential.name}" was begun by its owner: '
                "go on with it in the terminal that shows it",
            )
        return session

    async def give_up_login(self, peer: Peer, login_id: str, logins: Logins) -> None:
        """End a login that is under way; one that has ended stays as it ended."""
        await self._end_login(peer, self.take_part(peer, login_id, logins), logins)

    async def give_up_login_of(
        self, peer: Peer, name: str, logins: Logins
    ) -> tuple[CredentialConfig, bool]:
        """End the login under way of a grant or a credential on it, whoever began it and where.

        Return whom it was for, and whether there was one to end.
        """
        credential = self._on_grant(name)
        self._admit("Login", peer, credential.name)
        session = logins.under_way(credential.grant)
        if session is None:
            return credential, False
        self.take_part(peer, session.id, logins)
        return session.credential, await self._end_login(peer, session, logins)

    async def _end_login(self, peer: Peer, session: LoginSession, logins: Logins) -> bool:
        caller = self._gate.require("Login", peer)
        given_up = await logins.cancel(session)
        if given_up:
            name = session.credential.name
            self._recorder.acted(caller, "Login", "login-given-up", about=name)
        return given_up

    async def keep(
        self, credential: CredentialConfig, fields: GrantFields, *, by_agent: bool = False
    ) -> Given:
        """Keep what a login gave and serve whoever waits for it.

        *by_agent*: an agent started it, and may have ended it too, as whom it likes. So it only
        renews the login of the account that was there.
        """
        before = self._keeper.peek(credential.grant)
        known = before.account if before is not None else None
        if by_agent and known is not None and fields.account != known:
            raise BrokerError(
                Kind.DENIED,
                f'"{credential.name}" stays with its account, as an agent asked for the login of '
                f"another: run credward login {credential.name} in a terminal of your own",
            )
        if before is not None and before.account != fields.account:
            # Somebody else logged in: what was minted for the one before is not theirs.
            self._shell.grant_parked(credential.grant, needs_login(credential), drop=True)
        durable = await self._keeper.give(
            credential.grant,
            credential.provider,
            fields,
            bound_to=bound_to(credential.provider, credential.settings),
        )
        self._notices.login_given(credential.grant)
        self._shell.grant_given(credential.grant)
        self._scrub()
        return Given(
            durable=durable,
            credentials=self._names_on(credential.grant),
            turned_away=self._turned_away.take(credential.grant),
        )

    async def hand_over(self, peer: Peer, name: str, secret: Secret) -> tuple[str, Given]:
        """Take an existing refresh token into sole ownership."""
        credential = self._on_grant(name)
        admitted = self._admit("Manage", peer, credential.name)
        terms = grant_terms(credential.settings)
        if not (terms.logins or terms.rotating):
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{credential.name}" needs no grant: run credward get {credential.name}',
            )
        text = secret.reveal().strip()
        if not text or len(text) > _LONGEST_SECRET or not text.isprintable():
            raise BrokerError(
                Kind.BAD_REQUEST,
                "what came is no refresh token (one line, at most 32 KiB): pipe the bare token in",
            )
        await self._strongbox.open(self._config)
        given = await self.keep(credential, GrantFields(secret=text))
        self._recorder.managed(admitted, "grant-handed-over")
        return credential.grant, given

    # --- giving up --------------------------------------------------------------------------

    async def log_out(self, peer: Peer, name: str) -> Forgotten:
        """Revoke a grant upstream where that is possible, and forget it in any case."""
        credential = self._on_grant(name)
        admitted = self._admit("Manage", peer, credential.name)
        await self._strongbox.open(self._config)
        forgotten = await self._forget(credential)
        self._recorder.managed(admitted, "logged-out")
        return forgotten

    async def revoke_all(self, peer: Peer) -> list[Forgotten]:
        """Revoke what can be revoked, then drop every grant and every token: the panic button."""
        caller = self._gate.require("Manage", peer)
        config = self._config
        await self._strongbox.open(config)
        first: dict[str, CredentialConfig] = {}
        for each in config.credentials.values():
            terms = grant_terms(each.settings)
            if terms.logins or terms.rotating:
                first.setdefault(each.grant, each)
        done = await asyncio.gather(*(self._forget(each) for each in first.values()))
        self._shell.drop_all()
        await self._book.save()
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
            if each.grant not in kept and getattr(each.settings, "revoke_on_drop", False)
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
        record = self._book.load(grant)
        # First here, before anything is waited for: from now on nobody is handed anything of it,
        # whatever disk and upstream say.
        self._shell.grant_parked(grant, needs_login(credential), drop=True)
        durable = await self._keeper.give_up(grant)
        if not grant_terms(credential.settings).logins:
            # No human is needed: the next mint logs in by itself.
            self._shell.grant_given(grant)
        failure, revoked = None, False
        held = record is not None and record.secret is not None
        if record is not None and held:
            try:
                await self._revoke(credential, record)
                revoked = True
            except BrokerError as error:
                failure = error
        self._scrub()
        return Forgotten(
            grant=grant,
            credentials=self._names_on(grant),
            held=held,
            # What comes next may have been saved meanwhile.
            durable=durable or not self._book.unsaved,
            revoked=revoked,
            failure=failure,
        )

    async def _revoke(self, credential: CredentialConfig, record: GrantRecord) -> None:
        assert record.secret is not None
        place = bound_to(credential.provider, credential.settings)
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

    # --- the store --------------------------------------------------------------------------

    async def lock(self, peer: Peer, passphrase: Secret | None) -> None:
        """Lock the store and drop every token from memory; durable."""
        caller = self._gate.require("Manage", peer, although_locked=True)
        # First: whatever fails after this, nothing is handed out any more.
        self._strongbox.shut()
        self._shell.drop_all()
        await self._strongbox.open(self._config)
        try:
            await self.lock_up(passphrase)
        finally:
            # Written down afterwards: a full disk is no reason to stay open.
            if self._strongbox.locked:
                self._recorder.acted(caller, "Manage", "locked")

    async def lock_up(self, passphrase: Secret | None = None) -> None:
        """Lock the store, whoever wants it; what is kept of tokens goes first."""
        self._shelf.clear()
        try:
            await self._strongbox.lock(passphrase)
        finally:
            if self._strongbox.locked:
                self._shell.drop_all()
                self._pool.send_home()
                # Where the disk did not take the locked store, it is tried again.
                self._book.note_change()
                await self._book.save()
            self._scrub()

    async def unlock(self, peer: Peer, passphrase: Secret | None) -> None:
        """Open the store, and take over what workers finished meanwhile."""
        caller = self._gate.require("Manage", peer, although_locked=True)
        if self._gate.locked and not self._strongbox.locked:
            # Idle for too long, which the timer will notice in a moment.
            await self.lock_up()
        try:
            await self._strongbox.unlock(self._config, passphrase)
        except BrokerError as failure:
            if failure.kind is Kind.DENIED:
                self._recorder.acted(caller, "Manage", "unlock-refused")
            raise
        finally:
            self._scrub()
        self._recorder.acted(caller, "Manage", "unlocked")

    async def set_secret(self, peer: Peer, name: str, value: Secret) -> bool:
        """Keep a secret for `{ store = … }`; return whether it is durable."""
        caller = self._gate.require("Manage", peer)
        text = value.reveal()
        if not text or len(text) > _LONGEST_SECRET:
            raise BrokerError(
                Kind.BAD_REQUEST, "a secret has between 1 and 32768 characters: pipe it in"
            )
        await self._strongbox.open(self._config)
        self._recorder.acted(caller, "Manage", "secret-set", about=_SECRET + name)
        self._book.put_raw(_SECRET + name, bytearray(text.encode()))
        self._secret_changed(name)
        durable = await self._book.save()
        self._scrub()
        return durable

    async def remove_secret(self, peer: Peer, name: str) -> bool:
        """Forget a secret; return whether that is durable.

        Raise `unknown-credential` where there is none of that name.
        """
        caller = self._gate.require("Manage", peer)
        await self._strongbox.open(self._config)
        self._recorder.acted(caller, "Manage", "secret-removed", about=_SECRET + name)
        if not self._book.delete_raw(_SECRET + name):
            raise BrokerError(
                Kind.UNKNOWN_CREDENTIAL,
                f'the store holds no "{name}": run credward secret list',
            )
        self._secret_changed(name)
        return await self._book.save()

    async def secret_names(self, peer: Peer) -> list[str]:
        """Return the names of the secrets, never their values."""
        self._gate.require("Inspect", peer)
        self._gate.check_unlocked()
        await self._strongbox.open(self._config)
        return [name.removeprefix(_SECRET) for name in self._strongbox.names(_SECRET)]

    def _secret_changed(self, name: str) -> None:
        """Forget what came of the old value, and what failed for want of the new one."""
        config = self._config
        for each in users_of_secret(config, name):
            terms = grant_terms(each.settings)
            if terms.logins or terms.rotating:
                # Its tokens are the grant's, whoever the client is.
                self._shell.grant_given(each.grant)
            else:
                self._shell.drop(each.name)

    # --- looking ----------------------------------------------------------------------------

    def grants(self) -> Sequence[tuple[GrantView, str, tuple[str, ...]]]:
        """Return every grant that a login gives: its view, its provider, its credentials."""
        found: dict[str, tuple[GrantView, str, tuple[str, ...]]] = {}
        for each in self._config.credentials.values():
            terms = grant_terms(each.settings)
            if (terms.logins or terms.rotating) and each.grant not in found:
                view = self._keeper.view(each.grant)
                never = view.given_at is None and view.failure is None
                if terms.logins and never and not self._strongbox.locked:
                    # What whoever asks will hear.
                    view = dataclasses.replace(view, failure=needs_login(each))
                found[each.grant] = (view, each.provider, self._names_on(each.grant))
        return list(found.values())

    @property
    def _config(self) -> Config:
        return self._holder.active.config

    def _admit(self, action: str, peer: Peer, name: str) -> Admitted:
        return self._gate.admit(action, peer, TokenRequest(credential=name, format="-"))

    def _on_grant(self, name: str) -> CredentialConfig:
        """Return the credential called *name*, else one on the grant of that name."""
        config = self._config
        if (found := config.credentials.get(name)) is not None:
            return found
        on_it = [each for each in config.credentials.values() if each.grant == name]
        if on_it:
            return on_it[0]
        names = [*config.credentials, *(each.grant for each in config.credentials.values())]
        raise BrokerError(
            Kind.UNKNOWN_CREDENTIAL,
            f'"{name}" is neither a credential nor a grant{guess(name, names)}: '
            "run credward status for the list",
        )

    def _names_on(self, grant: str) -> tuple[str, ...]:
        return tuple(each.name for each in self._config.credentials.values() if each.grant == grant)

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
