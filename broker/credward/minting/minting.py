"""One mint from the daemon's side: its secrets gathered, its grant lent, a worker put to it.

Whether and when to mint is the lifecycle's business, what becomes of the grant is `keeper`'s.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import msgspec

from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Failure, Kind
from credward.grants.journal_replay import JournalReplay
from credward.grants.keeper import GrantKeeper
from credward.grants.loan import Loan
from credward.grants.opened_store import LOCKED, OpenedStore
from credward.grants.replay_cache import ReplayCache
from credward.grants.secret_guard import SecretGuard
from credward.lifecycle.vocabulary import TokenKey
from credward.settings.grants import GrantTerms, bound_to, grant_terms
from credward.settings.presenting import presents_once
from credward.settings.references import Keychain, Reference, references_in
from credward.settings.times import time_limit
from credward.store.journal import Journal
from credward.tokens import Secret
from credward.workers.lane import Rotating
from credward.workers.link import MintedToken, MintRequest, Rotation
from credward.workers.pool import WorkerPool
from credward.workers.token_bytes import wipe

__all__ = ["Minting", "SecretSource", "needs_login", "needs_store"]

# A provider that names no limit of its own may hold a worker this long (seconds).
_DEADLINE = 30.0
# A worker ends an exchange that rotates a grant after 90 s by itself, and so what comes before it;
# to kill it earlier might lose the grant (seconds).
_EXCHANGE = 182.0


class SecretSource(Protocol):
    """What the daemon itself keeps."""

    def stored(self, name: str) -> Secret | None:
        """Return the secret that was stored under this name, None where there is none."""
        ...

    def signing_key(self, credential: CredentialConfig) -> Secret:
        """Return the key with which a `local` credential signs."""
        ...


class Minting:
    """Mints for the lifecycle.

    *login_found* is told of a grant whose login another tool keeps, once a mint shows that it is
    there again.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        pool: WorkerPool,
        keeper: GrantKeeper,
        journal_replay: JournalReplay,
        opened_store: OpenedStore,
        sources: SecretSource,
        guard: SecretGuard,
        replay_cache: ReplayCache,
        environ: Mapping[str, str],
        login_found: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._keeper = keeper
        self._journal_replay = journal_replay
        self._opened_store = opened_store
        self._sources = sources
        self._guard = guard
        self._replay_cache = replay_cache
        self._environ = environ
        self._login_found = login_found
        # Credentials whose last mint missed a login that another tool keeps.
        self._logged_out: set[str] = set()

    async def mint(
        self, config: Config, key: TokenKey, *, behalf: CredentialConfig | None = None
    ) -> MintedToken:
        """Mint one token, or raise `BrokerError`; *behalf*: the credential that uses it."""
        credential = config.credentials[key.credential]
        terms = grant_terms(credential.settings)
        once = presents_once(credential.settings)
        if needs_store(credential):
            await self._opened_store.open(config)
        request = MintRequest(
            credential=credential.name,
            settings=msgspec.to_builtins(credential.settings),
            audience=key.audience,
            scopes=list(key.scopes),
            grant=self._signing_key(credential),
            secrets=await self.secrets_of(config, credential, behalf=behalf),
            network=config.network,
            now=self._clock.now(),
            used_proofs=self._replay_cache.alive() if once else [],
        )
        if not (terms.logins or terms.rotating):
            try:
                return await self._mint_by_itself(credential, request)
            finally:
                if once:
                    await self._replay_cache.save()
        if terms.rotating:
            self._opened_store.check_rotation(config, credential.name)
        async with self._keeper.turn(credential.grant):
            return await self._mint_on_grant(credential, terms, request)

    async def _mint_by_itself(
        self, credential: CredentialConfig, request: MintRequest
    ) -> MintedToken:
        """Mint without a grant of ours; where another tool keeps a login, notice what became of it.

        Here, and not where a parked key is tried, because who misses the login may be another
        credential, which is minted from this one.
        """
        limit = time_limit(credential.settings) or _DEADLINE
        # Two seconds more than the provider's own limit: its report of a hung program says more
        # than our kill.
        try:
            minted = await self._pool.mint(credential.provider, request, deadline=limit + 2.0)
        except BrokerError as error:
            if error.kind is Kind.LOGIN_REQUIRED:
                self._logged_out.add(credential.name)
                raise _with_refresh(credential, error.failure).error() from error
            raise
        if credential.name in self._logged_out:
            self._logged_out.remove(credential.name)
            self._login_found(credential.grant)
        return minted

    async def secrets_of(
        self,
        config: Config,
        credential: CredentialConfig,
        *,
        behalf: CredentialConfig | None = None,
    ) -> dict[str, Secret]:
        """Return the secrets that the settings refer to and no worker can read."""
        found = {}
        for field, reference in references_in(credential.settings).items():
            if reference.of_daemon:
                found[field] = await self._read(config, credential, reference, behalf or credential)
        return found

    # --- on a grant -------------------------------------------------------------------------

    async def _mint_on_grant(
        self, credential: CredentialConfig, terms: GrantTerms, request: MintRequest
    ) -> MintedToken:
        """Mint; where an exchange was cut off, try the same secret again at once, but once."""
        doubtful = None
        while True:
            await self._journal_replay.wait_for(credential.grant)
            loan = await self._keeper.lend(
                credential.grant,
                credential.provider,
                bound_to=bound_to(credential.provider, credential.settings),
                rotation_retry=terms.rotation_retry,
                by_itself=terms.rotating and not terms.logins,
            )
            if terms.logins and (loan.record is None or loan.record.secret is None):
                raise needs_login(credential).error()
            if doubtful is None:
                doubtful = loan.record is not None and loan.record.ambiguous_at is not None
            try:
                minted = await self._mint_once(credential, terms, request, loan)
            except BrokerError as error:
                if loan.replaced:
                    # What failed was the grant before: nobody asked for that any more.
                    doubtful = None
                    continue
                record = self._keeper.peek(credential.grant)
                if record is not None and record.ambiguous_at is not None and not doubtful:
                    doubtful = True
                    continue
                if record is not None and record.parked is not None:
                    raise record.parked.failure().error() from error
                raise
            if not loan.replaced:
                return minted
            wipe(minted.body)
            doubtful = None

    async def _mint_once(
        self, credential: CredentialConfig, terms: GrantTerms, request: MintRequest, loan: Loan
    ) -> MintedToken:
        secret = loan.record.secret if loan.record else None
        request = msgspec.structs.replace(
            request,
            grant=None if secret is None else Secret(secret),
            # Whoever had to wait for the grant did not wait for an old clock.
            now=self._clock.now(),
        )
        if not terms.rotating:
            return await self._mint_fixed(credential, request, loan)
        rotation = Rotation(
            mint=loan.lease.mint,
            grant=loan.lease.grant,
            family=loan.lease.family,
            generation=loan.lease.generation,
            rotation_retry=loan.lease.rotation_retry,
            key=Secret(base64.b64encode(loan.key).decode()),
        )

        async def settle(outcome: MintedToken | Failure, journal: Any) -> bool:
            return await self._keeper.settle(loan, outcome, journal)

        def lend(journal: Any) -> None:
            assert isinstance(journal, Journal)
            journal.lend(loan.lease)

        minted = await self._pool.mint(
            credential.provider,
            msgspec.structs.replace(request, rotation=rotation),
            deadline=_EXCHANGE,
            rotating=Rotating(lend=lend, settle=settle),
        )
        _check_open(loan, minted)
        if loan.volatile:
            wipe(minted.body)
            raise BrokerError(
                Kind.INTERNAL,
                f'"{credential.name}" was renewed, but its new grant can be written nowhere: '
                "make room in the state directory; nothing is lost while the daemon runs",
            )
        return minted

    async def _mint_fixed(
        self, credential: CredentialConfig, request: MintRequest, loan: Loan
    ) -> MintedToken:
        """Mint on a grant that no mint replaces."""
        try:
            minted = await self._pool.mint(credential.provider, request, deadline=_DEADLINE)
        except BrokerError as error:
            await self._keeper.conclude(loan, error.failure)
            raise
        await self._keeper.conclude(loan, minted)
        _check_open(loan, minted)
        return minted

    # --- secrets ----------------------------------------------------------------------------

    def _signing_key(self, credential: CredentialConfig) -> Secret | None:
        if credential.provider == "local":
            return self._sources.signing_key(credential)
        return None

    async def _read(
        self,
        config: Config,
        credential: CredentialConfig,
        reference: Reference,
        behalf: CredentialConfig,
    ) -> Secret:
        match reference:
            case Reference(env=str(name)):
                if value := self._environ.get(name, ""):
                    return Secret(value)
                problem = (
                    f"{name}, which is not set in the environment of the daemon: "
                    "set it, then start credward serve again"
                )
            case Reference(store=str(name)):
                if (stored := self._sources.stored(name)) is not None:
                    await self._guard.admit(config, behalf, name)
                    return stored
                problem = f'"{name}", which is not in the store: run credward secret set {name}'
            case Reference(keychain=Keychain(service=service, account=account)):
                return await self._read_keychain(config, service, account)
            case Reference(credential=str(name)):
                return await self._mint_for(config, name, behalf)
            case _:
                problem = f"{reference.describe()}, which the daemon cannot read"
        raise BrokerError(Kind.FIX_CONFIGURATION, f'"{credential.name}" refers to {problem}')

    async def _read_keychain(self, config: Config, service: str, account: str) -> Secret:
        request = MintRequest(
            credential=service,
            settings={"service": service, "account": account},
            network=config.network,
            now=self._clock.now(),
        )
        try:
            return _take(await self._pool.mint("keychain", request, deadline=_DEADLINE))
        except BrokerError as error:
            # Its owner may be asked each time: not for whoever happens to want a token.
            raise replace(error.failure, local=False).error() from error

    async def _mint_for(self, config: Config, name: str, behalf: CredentialConfig) -> Secret:
        """Mint a token that is used once, as an assertion for *behalf*, and kept by nobody."""
        other = config.credentials[name]
        minted = await self.mint(config, TokenKey(name, other.epoch), behalf=behalf)
        if minted.kind != "aws" or minted.expires_at is None:
            return _take(minted)
        # What takes keys of AWS has to know when they end; a program would say it in them.
        members = msgspec.json.decode(_take(minted).reveal())
        members["Expiration"] = datetime.fromtimestamp(minted.expires_at, UTC)
        return Secret(msgspec.json.encode(members).decode())


def needs_store(credential: CredentialConfig) -> bool:
    """Return whether nothing can be minted for *credential* while the store is not open."""
    terms = grant_terms(credential.settings)
    references = references_in(credential.settings).values()
    return bool(terms.logins) or terms.rotating or any(each.store for each in references)


def needs_login(credential: CredentialConfig) -> Failure:
    """Return the failure of a credential whose grant nobody has given yet."""
    return Failure.of(
        Kind.LOGIN_REQUIRED,
        f'"{credential.name}" needs a login: run credward login {credential.name}',
    )


def _with_refresh(credential: CredentialConfig, failure: Failure) -> Failure:
    """Return a failure that wants a login of another tool, with what to do after it.

    Nobody tells us when such a login was given.
    """
    after = f"after that login run credward refresh {credential.name}"
    return replace(failure, hint=f"{failure.hint}; {after}" if failure.hint else after)


def _check_open(loan: Loan, minted: MintedToken) -> None:
    """Hold a token back whose grant may have been given up before the store was locked."""
    if loan.locked:
        wipe(minted.body)
        raise LOCKED.error()


def _take(minted: MintedToken) -> Secret:
    try:
        return Secret(minted.body.decode("ascii"))
    finally:
        wipe(minted.body)
