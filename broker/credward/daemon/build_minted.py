"""The second of three builders: what mints tokens. Only constructs.

It uses `build_kept`; `build_asked` uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import msgspec

from credward.clock import Clock
from credward.config import Config
from credward.config.sources import files_behind
from credward.daemon.build_kept import Place
from credward.grants.kept import Kept
from credward.lifecycle.vocabulary import TokenKey
from credward.minting.driver import Driver, Listeners, Mint, MintedBody, Wakeups
from credward.minting.minted import Minted
from credward.minting.minting import Minting
from credward.minting.persisted_tokens import PersistedTokens
from credward.minting.sealer import Sealer
from credward.minting.secret_reader import SecretReader
from credward.minting.source_files import SourceFiles
from credward.minting.token_cache import MemoryTokens

__all__ = ["Told", "build_minted"]


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Hear results of mints: the *listeners*, *login_found* of a login of another tool."""

    listeners: Listeners
    login_found: Callable[[str], None]


def build_minted(
    *,
    clock: Clock,
    place: Place,
    kept: Kept,
    config: Callable[[], Config],
    wakeups: Wakeups,
    spawn: Callable[[Coroutine[Any, Any, None]], object],
    told: Told,
    mint: Mint | None = None,
) -> Minted:
    """Return the parts; *config* returns the current configuration."""
    secrets = SecretReader(clock=clock, kept=kept, environ=place.environ, state_dir=place.state_dir)
    minting = Minting(clock=clock, kept=kept, secrets=secrets, login_found=told.login_found)
    files = SourceFiles(clock=clock, files=lambda name: _files(config(), name, place.environ))
    tokens = PersistedTokens(
        MemoryTokens(Sealer()),
        clock=clock,
        records=kept.records,
        config=config,
        environ=place.environ,
    )

    async def mint_anew(key: TokenKey) -> MintedBody:
        # The state of the files before the mint reads them.
        await files.note(key.credential)
        return await minting.mint(config(), key)

    driver = Driver(
        clock=clock,
        mint=mint or mint_anew,
        cache=tokens,
        wakeups=wakeups,
        spawn=spawn,
        listeners=msgspec.structs.replace(told.listeners, scrub=kept.scrub),
    )
    return Minted(minting=minting, secrets=secrets, driver=driver, tokens=tokens, files=files)


def _files(config: Config, name: str, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files that a mint of the credential *name* reads."""
    if (credential := config.credentials.get(name)) is None:
        return ()
    home = Path(environ.get("HOME") or "/")
    return tuple(
        home / path[2:] if path.startswith("~/") else Path(path)
        for path in files_behind(config, credential)
    )
