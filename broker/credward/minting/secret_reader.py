"""Gathers the secrets that a mint needs and no worker can read, from where the settings point.

Environment, store, keychain, another credential, the daemon's own signing keys. `secret_guard`
decides what a stored secret may be used for; `minting` mints with it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from credward.clock import Clock
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.grants.kept import Kept
from credward.grants.records import SECRET_PREFIX
from credward.lifecycle.vocabulary import TokenKey
from credward.settings.references import Keychain, Reference, references_in
from credward.tokens import Secret
from credward.workers.link import MintedToken, MintRequest
from credward.workers.token_bytes import wipe

__all__ = ["SecretReader"]

# A keychain may prompt its owner (seconds).
_DEADLINE = 30.0

# Mints a token of another credential: `Minting.mint`.
_Mint = Callable[..., Awaitable[MintedToken]]


class SecretReader:
    """*environ* is the daemon's own environment."""

    def __init__(
        self, *, clock: Clock, kept: Kept, environ: Mapping[str, str], state_dir: Path
    ) -> None:
        self._clock = clock
        self._pool = kept.pool
        self._opened_store = kept.opened_store
        self._guard = kept.guard
        self._environ = environ
        self._state_dir = state_dir

    async def of(
        self,
        config: Config,
        credential: CredentialConfig,
        mint: _Mint,
        *,
        behalf: CredentialConfig | None = None,
    ) -> dict[str, Secret]:
        """Return the secrets that the settings refer to and no worker can read."""
        found = {}
        for field, reference in references_in(credential.settings).items():
            if reference.of_daemon:
                found[field] = await self._read(
                    config, credential, reference, behalf or credential, mint
                )
        return found

    def signing_key(self, credential: CredentialConfig) -> Secret | None:
        """Return the key with which a `local` credential signs, None for all others."""
        if credential.provider != "local":
            return None
        from credward.store.signing_keys import load_or_create  # noqa: PLC0415 - 1 MB

        return load_or_create(self._state_dir, credential.grant)

    def public_key(self, credential: CredentialConfig) -> dict[str, str]:
        """Return the public key for those signatures, as a JWK (RFC 7517)."""
        from credward.store.signing_keys import load_or_create, public_jwk  # noqa: PLC0415 - 1 MB

        return public_jwk(load_or_create(self._state_dir, credential.grant))

    def _stored(self, name: str) -> Secret | None:
        """Return the secret that `credward secret set` stored under this name."""
        entry = self._opened_store.get(SECRET_PREFIX + name)
        if entry is None:
            return None
        try:
            return Secret(entry.plain.decode())
        finally:
            wipe(entry.plain)

    async def _read(
        self,
        config: Config,
        credential: CredentialConfig,
        reference: Reference,
        behalf: CredentialConfig,
        mint: _Mint,
    ) -> Secret:
        match reference:
            case Reference(env=str(name)):
                if value := self._environ.get(name, ""):
                    return Secret(value)
                problem = (
                    f"{name}, which is not set in the environment of the daemon: "
                    "set it, then restart credward serve"
                )
            case Reference(store=str(name)):
                if (stored := self._stored(name)) is not None:
                    await self._guard.admit(config, behalf, name)
                    return stored
                problem = f'"{name}", which is not in the store: run credward secret set {name}'
            case Reference(keychain=Keychain(service=service, account=account)):
                return await self._read_keychain(config, service, account)
            case Reference(credential=str(name)):
                return await _mint_for(config, name, behalf, mint)
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
            # It may prompt its owner each time: do not do that for any caller that wants a token.
            raise msgspec.structs.replace(error.failure, local=False).error() from error


async def _mint_for(config: Config, name: str, behalf: CredentialConfig, mint: _Mint) -> Secret:
    """Mint a token that is used once, as an assertion for *behalf*, and not kept."""
    other = config.credentials[name]
    minted = await mint(config, TokenKey(name, other.epoch), behalf=behalf)
    if minted.kind != "aws" or minted.expires_at is None:
        return _take(minted)
    # Code that uses AWS keys needs their end; a program would include it in its output.
    members = msgspec.json.decode(_take(minted).reveal())
    members["Expiration"] = datetime.fromtimestamp(minted.expires_at, UTC)
    return Secret(msgspec.json.encode(members).decode())


def _take(minted: MintedToken) -> Secret:
    try:
        return Secret(minted.body.decode("ascii"))
    finally:
        wipe(minted.body)
