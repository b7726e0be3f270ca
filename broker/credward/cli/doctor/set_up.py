"""Whether set-up is to name the credential, or to let `credward use` choose, as it was meant."""

from __future__ import annotations

from pathlib import Path

from credward.cli.doctor.finding import Known
from credward.cli.setup.claude_code import HELPER, asked_for, names_none, settings_paths
from credward.cli.setup.claude_code_merged import Merged
from credward.cli.setup.record import memory_of_set_ups
from credward.config import CredentialConfig
from credward.paths import environment

__all__ = ["what_to_set_up"]

_ACTIVE = "--active"


def what_to_set_up(known: Known, credential: CredentialConfig, merged: Merged) -> str:
    """Return the word for `credward setup claude-code`: the name of *credential*, or `--active`.

    A choice of `credward use` counts for one folder or agent, a name in the settings everywhere. So
    a choice is followed, and a line that named none is not replaced by one that does.
    """
    if known.unnamed != credential.name:
        return credential.name
    line = merged.helper[0] if merged.helper else ""
    asked = asked_for(line)
    if asked is not None and known.config is not None and asked in known.config.credentials:
        return _ACTIVE if known.by_use and asked != credential.name else credential.name
    users = settings_paths(environment(), Path.cwd())["user"]
    path = merged.helper[1].path if merged.helper else users
    return _ACTIVE if names_none(line) or _named_none(path) else credential.name


def _named_none(path: Path) -> bool:
    """Return whether set-up last wrote a line without a name into this file."""
    record = memory_of_set_ups().load().get(str(path))
    return record is not None and any(
        each.path == list(HELPER) and isinstance(each.after, str) and names_none(each.after)
        for each in record.changes
    )
