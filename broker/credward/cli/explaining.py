"""What makes an error of the daemon clear to a person: what a program said, which file is newer.

The daemon decides who may see a program's last line, and masks it.
"""

from __future__ import annotations

import re
import sys

import msgspec

from credward.cli.start import client_of, paths
from credward.client import Client
from credward.config import load_config
from credward.errors import BrokerError, Kind
from credward.wire import edited_since

__all__ = ["explained", "last_words", "newer_file", "not_in_force", "with_more", "with_newer_file"]

# For a question beside the one that failed (seconds).
_PATIENCE = 5.0
_NAME = re.compile(r'"([^"]+)" ')

# Kinds with which a program can end (`providers.exit_codes`).
_OF_PROGRAMS = frozenset(
    {
        Kind.PROVIDER_REFUSED,
        Kind.PROVIDER_UNREACHABLE,
        Kind.LOGIN_REQUIRED,
        Kind.FIX_CONFIGURATION,
    }
)


def last_words(client: Client, credential: str, error: BrokerError) -> str:
    """Return the last line of the program behind *error*, "" if there is none to see."""
    if error.kind not in _OF_PROGRAMS:
        return ""
    try:
        return client.last_words(credential).line
    except BrokerError:
        # Not for this caller, or not known to this daemon.
        return ""


def explained(client: Client, name: str, error: BrokerError) -> BrokerError:
    """Return *error* with a hint for a person at a terminal; elsewhere nobody would see it."""
    if not sys.stderr.isatty() or error.kind in {Kind.NOT_RUNNING, Kind.DENIED}:
        return error
    said, newer = last_words(client, name, error), newer_file(client)
    hints = [
        error.failure.hint if not said else f"the program said: {said}",
        edited_since(newer) if newer else "",
    ]
    hint = "; ".join(each for each in hints if each)
    return msgspec.structs.replace(error.failure, hint=hint).error()


def newer_file(client: Client) -> str | None:
    """Return a file of the configuration that changed since the daemon read it."""
    try:
        return next(iter(client.statuses().edited), None)
    except BrokerError:
        return None


def with_newer_file(client: Client, error: BrokerError) -> BrokerError:
    """Return *error*, and whether what it is about may be corrected in a file already."""
    if error.kind in {Kind.NOT_RUNNING, Kind.DENIED} or (newer := newer_file(client)) is None:
        return error
    return with_more(error, edited_since(newer))


def with_more(error: BrokerError, text: str) -> BrokerError:
    """Return *error* with *text* at the end of its line."""
    failure = error.failure
    also = f"{failure.also}; {text}" if failure.also else text
    return msgspec.structs.replace(failure, also=also).error()


def not_in_force(error: BrokerError) -> BrokerError:
    """Return what is wrong if only the file, or only the daemon, knows a credential."""
    found = _NAME.match(error.message)
    if error.kind is not Kind.UNKNOWN_CREDENTIAL or found is None:
        return error
    name = found[1]
    try:
        known = load_config(paths()).credentials
        if name in known:
            text = f"is in {known[name].origin}, which is newer than what is in force"
        elif name in {each.name for each in client_of(paths(), _PATIENCE).statuses().credentials}:
            text = "was taken out of the configuration, and the daemon has not read that yet"
        else:
            return error
    except BrokerError:
        return error
    return BrokerError(error.kind, f'"{name}" {text}: run credward daemon reload')
