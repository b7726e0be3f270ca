"""The profile of Anthropic's SDKs that a sink keeps fresh, or what to write for one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward.cli.output import say
from credward.cli.setup.claude_code import base_url_of
from credward.cli.start import paths
from credward.config import Config, CredentialConfig, SinkFormat
from credward.errors import BrokerError, Kind
from credward.settings.services import Service

__all__ = ["Profile", "profile_for"]

_FORMAT: SinkFormat = "anthropic-profile"
# Below XDG_CONFIG_HOME not every SDK looks there, so the variable is always set.
_FOLDER = "~/.config/anthropic"


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One profile: its *name* in *folder*, and the base URL if it is not the usual one."""

    name: str
    folder: Path
    base_url: str | None

    @property
    def variables(self) -> Mapping[str, str]:
        """What leads the SDKs, and Claude Code, to it (docs.claude.com, "Authentication")."""
        # In the profile too; but Claude Code starts seconds later without the variable.
        base = {"ANTHROPIC_BASE_URL": self.base_url} if self.base_url else {}
        return {
            "ANTHROPIC_PROFILE": self.name,
            "ANTHROPIC_CONFIG_DIR": str(self.folder),
            **base,
        }


def profile_for(config: Config, credential: CredentialConfig) -> Profile:
    """Return the profile of *credential*, else raise `fix-configuration`.

    What to add to the configuration is printed before.
    """
    if credential.meaning.service is not Service.CLAUDE_LOGIN or credential.bound:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" cannot be in a profile, which is for tokens of the Claude API: '
            f'in Python use credward.credentials("{credential.name}")',
        )
    for sink in config.sinks:
        if sink.credential == credential.name and sink.format == _FORMAT:
            return Profile(name=sink.profile, folder=sink.path, base_url=base_url_of(credential))
    say(f'add this to {paths().config_file}:\n\n[[sinks]]\ncredential = "{credential.name}"')
    say(f'format = "{_FORMAT}"\npath = "{_FOLDER}"\n')
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential.name}" has no sink with format {_FORMAT}: run credward config edit, add the '
        "lines above, then run this again",
    )
