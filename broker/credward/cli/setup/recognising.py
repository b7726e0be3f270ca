"""Our set-up in a settings file of which no record is left: what in it is certainly ours.

The records are in the state directory, which people delete. Reads only; `undo` takes it out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from credward.cli.setup import claude_code, settings_file
from credward.cli.setup.json_text import get_member
from credward.cli.setup.record import Change, Owner, Record
from credward.cli.setup.unreadable import UnreadableError
from credward.cli.start import paths
from credward.config import load_config
from credward.errors import BrokerError
from credward.issuing.asking import DEFAULT_NAME
from credward.settings.checks import messages_base

__all__ = ["recognised"]


def recognised(target: Path) -> Record | None:
    """Return a record of what is certainly ours in *target*; None if its helper line is not.

    That is a line that runs our helper, the cache time beside it, and the base URL if it is the
    one of the credential. What was there before is not known: it may be in the backups.
    """
    settings = _settings(target)
    line = settings.get(claude_code.HELPER[0])
    if not isinstance(line, str) or not claude_code.runs_ours(line):
        return None
    name = claude_code.asked_for(line)
    owner = Owner(credential="" if name in {None, DEFAULT_NAME} else str(name))
    found = [Change(path=list(claude_code.HELPER), after=line), *_variables(settings, line)]
    changes = [msgspec.structs.replace(each, owner=owner) for each in found]
    return Record(changes=changes, backups=[str(each) for each in settings_file.backups_of(target)])


def _settings(target: Path) -> Mapping[str, Any]:
    try:
        text = settings_file.read(target)
        found = get_member(text, ()) if text.strip() else {}
    except (BrokerError, UnreadableError):
        # The code that changes it reads it again, and says why that fails.
        return {}
    return found if isinstance(found, dict) else {}


def _variables(settings: Mapping[str, Any], line: str) -> Iterator[Change]:
    table = settings.get("env")
    table = table if isinstance(table, dict) else {}
    ttl, base_url = table.get(claude_code.TTL[1]), table.get(claude_code.BASE_URL[1])
    # Only for helpers, and ours is the one.
    if isinstance(ttl, str) and ttl.isdecimal():
        yield Change(path=list(claude_code.TTL), after=ttl, had_object=False)
    if isinstance(base_url, str) and base_url in _base_urls(claude_code.asked_for(line)):
        yield Change(path=list(claude_code.BASE_URL), after=base_url, had_object=False)


def _base_urls(name: str | None) -> list[str]:
    """Return the base URLs that we may have written for *name*; without one, for any."""
    try:
        credentials = load_config(paths()).credentials
    except BrokerError:
        return []
    asked = None if name == DEFAULT_NAME else name
    return [
        messages_base(url)
        for each in credentials.values()
        if asked in (None, each.name)
        for url in each.base_urls
    ]
