"""The table `[store]`: what its keys mean together, layers merged.

`sections` has words and types; `store.kek` uses the key sources.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from credward.config.model import StoreConfig
from credward.config.sections import StoreSection

__all__ = ["contradictions", "store_config"]


def store_config(section: StoreSection, *, config_dir: Path) -> StoreConfig:
    """Return the table as a value; the default key file is in *config_dir*."""
    named = section.key_file
    return StoreConfig(
        key="key_file" if section.key is None and named is not None else section.key,
        key_file=config_dir / "store.key" if named is None else Path(named).expanduser(),
        shared=section.shared,
        lock_after=section.lock_after,
    )


def contradictions(section: StoreSection) -> Iterator[tuple[str, str]]:
    """Yield each key that contradicts the others, with what to write."""
    named = section.key_file
    if named is not None and not named.startswith(("/", "~/")):
        yield "key_file", "store.key_file is an absolute path, or one that begins with ~/"
    if named is not None and section.key not in {None, "key_file"}:
        yield "key_file", f'store.key_file needs key = "key_file", not "{section.key}"'
    if section.lock_after is not None and section.key != "passphrase":
        yield "lock_after", 'store.lock_after needs key = "passphrase", which can open it again'
