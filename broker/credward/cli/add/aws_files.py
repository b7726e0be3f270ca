"""What the files of the AWS command line have: profiles, sessions of Identity Center, and keys.

Reads names and long-lived keys only; `providers.aws` knows what a profile means.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from configparser import Error as ConfigError
from configparser import RawConfigParser
from pathlib import Path

import msgspec

from credward.named_files import read_text
from credward.tokens import Secret

__all__ = ["AwsFiles", "AwsKey", "read_aws_files"]

_SESSION = "sso-session "
_PROFILE = "profile "


class AwsKey(msgspec.Struct, frozen=True, kw_only=True):
    """A long-lived key that is written out in *path*."""

    profile: str
    path: Path
    access_key_id: str
    secret: Secret


class AwsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Names in both files, in their order."""

    profiles: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    keys: tuple[AwsKey, ...] = ()


def read_aws_files(folder: Path) -> AwsFiles:
    """Return what is in `config` and `credentials` in *folder*; errors in them do not matter."""
    config = _parsed(folder / "config")
    credentials = _parsed(folder / "credentials")
    named = [
        each.removeprefix(_PROFILE).strip()
        for each in config.sections()
        if each == "default" or each.startswith(_PROFILE)
    ]
    sessions = [
        each.removeprefix(_SESSION).strip()
        for each in config.sections()
        if each.startswith(_SESSION)
    ]
    return AwsFiles(
        profiles=tuple(dict.fromkeys([*named, *credentials.sections()])),
        sessions=tuple(sessions),
        keys=tuple(
            AwsKey(
                profile=each,
                path=folder / "credentials",
                access_key_id=section["aws_access_key_id"],
                secret=Secret(section["aws_secret_access_key"]),
            )
            for each in credentials.sections()
            if _is_long_lived(section := dict(credentials.items(each)))
        ),
    )


def _is_long_lived(section: Mapping[str, str | None]) -> bool:
    return bool(
        section.get("aws_access_key_id")
        and section.get("aws_secret_access_key")
        and not section.get("aws_session_token")
    )


def _parsed(path: Path) -> RawConfigParser:
    # A repeated section, for example from two tools, must not hide the others.
    found = RawConfigParser(strict=False, allow_no_value=True)
    # Its own tools report errors in it; here they do not matter.
    with contextlib.suppress(OSError, ValueError, ConfigError):
        found.read_string(read_text(path))
    return found
