"""One mint from the daemon's side: gather its secrets, lend its grant, give it to a worker.

The lifecycle decides whether and when to mint; `keeper` decides what happens to the grant.
"""

from __future__ import annotations

import base64
from collections.abc import Callable

import msgspec

from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Failure, Kind, login_required
from credward.grants.kept import Kept
from credward.grants.loan import Fate, Loan
from credward.grants.opened_store import LOCKED
from credward.grants.use import GrantUse
from credward.lifecycle.vocabulary import TokenKey
from credward.minting.secret_reader import SecretReader
from credward.settings.grants import GrantTerms, bound_to
from credward.settings.references import references_in
from credward.tokens import Secret
from credward.workers.link import MintedToken, MintRequest, Rotation
from credward.workers.token_bytes import wipe

__all__ = ["Minting", "needs_login", "needs_store"]

# How long a provider without its own limit may use a worker (seconds).
_DEADLINE = 30.0
# A worker ends an exchange that rotates a grant after 90 s by itself, and also the steps before it;
# killing it earlier might lose the grant (seconds).
_EXCHANGE = 182.0


class Minting:
    """Mints for the lifecycle.

    *login_found* is called for a grant whose login another tool keeps, when a mint shows that the
    login is back.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        kept: Kept,
        secrets: SecretReader,
        login_found: Callable[[str], None],
    ) -> None:
        self._clock = clock
        self._pool = kept.pool
        self._keeper = kept.keeper
        self._journal_replay = kept.journal_replay
        self._opened_store = kept.opened_store
        self._replay_cache = kept.replay_cache
        self._secrets = secrets
        self._login_found = login_found
        # Credentials whose last mint found no login of another tool.
        self._logged_out: set[str] = set()

    async def mint(
        self, config: Config, key: TokenKey, *, behalf: CredentialConfig | None = None
    ) -> MintedToken:
        """Mint one token, or raise `BrokerError`; *behalf*: the credential that uses it."""
        credential = config.credentials[key.credential]
        terms = credential.meaning.grant
        once = credential.meaning.presents_once
        if needs_store(credential):
            await self._opened_store.open(config)
        request = MintRequest(
            credential=credential.name,
            settings=msgspec.to_builtins(credential.settings),
            audience=key.audience,
            scopes=list(key.scopes),
            grant=self._secrets.signing_key(credential),
            secrets=await self._secrets.of(config, credential, self.mint, behalf=behalf),
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

    async def secrets_of(self, config: Config, credential: CredentialConfig) -> dict[str, Secret]:
        """Return the secrets that the settings refer to and no worker can read."""
        return await self._secrets.of(config, credential, self.mint)

    async def _mint_by_itself(
        self, credential: CredentialConfig, request: MintRequest
    ) -> MintedToken:
        """Mint without a grant of ours; if another tool keeps a login, note whether it is there.

        Done here, not where a parked key is tried, because another credential that is minted from
        this one may need the login.
        """
        limit = credential.meaning.timeout or _DEADLINE
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

    # --- on a grant -------------------------------------------------------------------------

    async def _mint_on_grant(
        self, credential: CredentialConfig, terms: GrantTerms, request: MintRequest
    ) -> MintedToken:
        """Mint; if an exchange was cut off, try the same secret again at once, but only once."""
        doubtful = None
        while True:
            await self._journal_replay.wait_for(credential.grant)
            loan = await self._keeper.lend(
                credential.grant,
                credential.provider,
                bound_to=bound_to(
                    credential.provider, credential.meaning.grant, credential.settings
                ),
                rotation_retry=terms.rotation_retry,
                by_itself=terms.rotating and not terms.logins,
            )
            if terms.logins and (loan.record is None or loan.record.secret is None):
                raise needs_login(credential).error()
            if doubtful is None:
                doubtful = loan.record is not None and loan.record.ambiguous_at is not None
            outcome, fate = await self._use(credential, terms, request, loan)
            if fate is Fate.REPLACED:
                # Nobody wants the result of the previous grant, or its failure.
                _wipe(outcome)
                doubtful = None
                continue
            if isinstance(outcome, MintedToken):
                return _checked(credential, outcome, fate)
            record = self._keeper.peek(credential.grant)
            if record is not None and record.ambiguous_at is not None and not doubtful:
                doubtful = True
                continue
            raise (record.parked.failure() if record and record.parked else outcome).error()

    async def _use(
        self, credential: CredentialConfig, terms: GrantTerms, request: MintRequest, loan: Loan
    ) -> tuple[MintedToken | Failure, Fate]:
        """Mint once on a grant that was lent."""
        secret = loan.record.secret if loan.record else None
        request = msgspec.structs.replace(
            request,
            grant=None if secret is None else Secret(secret),
            # The wait for the grant took time, so read the clock again.
            now=self._clock.now(),
        )
        use = GrantUse(self._keeper, loan)
        if not terms.rotating:
            return await use.run_fixed(
                lambda: self._pool.mint(credential.provider, request, deadline=_DEADLINE)
            )
        rotation = Rotation(
            mint=loan.lease.mint,
            grant=loan.lease.grant,
            family=loan.lease.family,
            generation=loan.lease.generation,
            rotation_retry=loan.lease.rotation_retry,
            key=Secret(base64.b64encode(loan.key).decode()),
        )
        request = msgspec.structs.replace(request, rotation=rotation)
        return await use.run(
            lambda rotating: self._pool.mint(
                credential.provider, request, deadline=_EXCHANGE, rotating=rotating
            )
        )


def needs_store(credential: CredentialConfig) -> bool:
    """Return whether *credential* can be minted only while the store is open."""
    terms = credential.meaning.grant
    references = references_in(credential.settings).values()
    return bool(terms.logins) or terms.rotating or any(each.store for each in references)


def needs_login(credential: CredentialConfig) -> Failure:
    """Return the failure of a credential that has no grant yet."""
    return login_required(credential.name)


def _with_refresh(credential: CredentialConfig, failure: Failure) -> Failure:
    """Return a failure that asks for a login of another tool, with the command to run after it.

    We do not hear when such a login is done.
    """
    after = f"after that login run credward get --fresh {credential.name}"
    return msgspec.structs.replace(
        failure, hint=f"{failure.hint}; {after}" if failure.hint else after
    )


def _checked(credential: CredentialConfig, minted: MintedToken, fate: Fate) -> MintedToken:
    """Return the token, or hold it back if its grant is not kept."""
    match fate:
        case Fate.LOCKED:
            # Its grant may have been dropped before.
            wipe(minted.body)
            raise LOCKED.error()
        case Fate.UNWRITTEN:
            wipe(minted.body)
            raise BrokerError(
                Kind.INTERNAL,
                f'"{credential.name}" was renewed, but its new grant cannot be written: '
                "make room in the state directory; nothing is lost while the daemon runs",
            )
        case _:
            return minted


def _wipe(outcome: MintedToken | Failure) -> None:
    if isinstance(outcome, MintedToken):
        wipe(outcome.body)
