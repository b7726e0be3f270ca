"""What a daemon mints with: one mint, the driver that says when, the tokens, who is told.

A value: the parts by name, for who works with several of them. Who makes them is `daemon`.
"""

from __future__ import annotations

import msgspec

from credward.minting.driver import Driver
from credward.minting.minting import Minting
from credward.minting.persisted_tokens import PersistedTokens
from credward.minting.secret_reader import SecretReader
from credward.minting.source_files import SourceFiles

__all__ = ["Minted"]


class Minted(msgspec.Struct, frozen=True, kw_only=True):
    """The parts."""

    minting: Minting
    secrets: SecretReader
    driver: Driver
    tokens: PersistedTokens
    files: SourceFiles
