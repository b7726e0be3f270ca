"""A tool that set-up knows: what it wants in which file, and what to say about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from credward.cli.setup.file_plan import Wish
from credward.cli.setup.record import Owner
from credward.config import Config, CredentialConfig

__all__ = ["SetUpOf", "Tool", "Wanted"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One run: for which *credential*, in which shell, and the options that the tool has.

    *shell_file*: another file than the shell reads by itself. *pool*: the provider of a workload
    identity pool that takes the token, *service_account*: whom it then impersonates.
    """

    config: Config
    credential: CredentialConfig
    environ: Mapping[str, str]
    owner: Owner
    profile: str | None = None
    region: str | None = None
    shell_file: Path | None = None
    pool: str | None = None
    service_account: str | None = None


class SetUpOf(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool needs, and the *last* lines after a change."""

    wishes: tuple[Wish, ...]
    last: tuple[str, ...] = ()


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One tool, called *name* on the command line; `titles` has what people call it.

    *side_by_side*: set-ups for several credentials exist beside each other. *options*: those of
    `Wanted` that it has. *about*: the text of its help. *rivals* yields what counts before it.
    """

    name: str
    about: str
    example: str
    plan: Callable[[Wanted], SetUpOf]
    rivals: Callable[[Mapping[str, str]], Iterator[str]]
    side_by_side: bool = False
    options: tuple[str, ...] = ()

    def owner(self, credential: str) -> Owner:
        """Return the owner of its changes for *credential*."""
        return Owner(
            tool=self.name, key=credential if self.side_by_side else "", credential=credential
        )
