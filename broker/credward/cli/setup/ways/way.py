"""What leads Claude Code to one service with one credential: variables, the helper, more files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from credward.cli.setup.file_plan import Wish
from credward.cli.setup.record import Owner
from credward.config import Config, CredentialConfig
from credward.errors import BrokerError, Kind
from credward.settings.doors import DoorKind

__all__ = ["Asked", "PassThrough", "Way", "needed"]

PassThrough = Literal["bedrock", "vertex"]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: a *credential*, and what its settings do not say, or say differently.

    *door*: how its tokens get there, None: the usual way. *earlier*: variables of the settings file
    that we set before. *target*: that file. *environ*: the shell.
    """

    config: Config
    credential: CredentialConfig
    environ: Mapping[str, str]
    target: Path
    door: DoorKind | Literal["helper"] | None = None
    region: str | None = None
    project: str | None = None
    base_url: str | None = None
    pass_through: PassThrough | None = None
    earlier: Mapping[str, str] = {}

    @property
    def owner(self) -> Owner:
        """The set-up in files beside the settings file."""
        return Owner(key=str(self.target), credential=self.credential.name)


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """What to set. *helper*: Claude Code sends what the helper prints.

    *rivals*: variables that would lead it elsewhere, or send something else. *oldest*: the version
    of Claude Code that it was seen to work with, if older ones are known not to.
    """

    variables: Mapping[str, str]
    helper: bool = False
    files: tuple[Wish, ...] = ()
    rivals: tuple[str, ...] = ()
    oldest: str = ""


def needed(what: str, option: str, asked: Asked, *values: str | None) -> str:
    """Return the first of *values* that is given, else raise `bad-request`."""
    found = next(filter(None, values), None)
    if found is None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{asked.credential.name}" has no {what}: add {option}, or write it into its settings '
            "(credward config edit)",
        )
    return found
