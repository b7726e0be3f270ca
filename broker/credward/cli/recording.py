"""Record the directories in the owner's environment at set-up; a daemon started later uses them.

`recorded` says what may be recorded and reads it; this decides whether the owner asked for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from credward import named_files
from credward.account import Account, find_account, record_of, unusual_values
from credward.cli.output import say
from credward.errors import BrokerError, Kind
from credward.paths import environment, find_paths
from credward.recorded import RECORDED
from credward.starting.refusal import is_restricted, start_is_wanted

__all__ = ["is_stray", "record_places", "unrecorded_places"]

_HEAD = "# Directories of this account's daemon when it is started automatically.\n"
_CONFIG = "XDG_CONFIG_HOME"
_UNKNOWN = "an unknown program"


def record_places(*, by_hand: bool = False) -> None:
    """Record the directories in this environment, and print on stderr what changed.

    Only for the owner: not below an agent or in a sandbox, whose environment a repository may have
    set, and not with a HOME other than the account's or with a CREDWARD_CONFIG. Nothing is recorded
    in a place where no daemon would be started, or where nothing is configured. *by_hand*: a start
    was typed, so nobody has to be told to type it.
    """
    environ = environment()
    if not start_is_wanted(environ):
        return
    try:
        account = find_account()
    except BrokerError as error:
        _warn(f"no directories recorded: {_why(error)}")
        return
    if (variable := account.never_followed(environ)) is not None:
        if not by_hand:
            _warn(
                f"an automatic start does not use {variable}: "
                "run credward daemon start in your own terminal"
            )
        return
    wanted = unusual_values(account, environ)
    if wanted == account.recorded:
        return
    if not find_paths(environ).is_configured or is_stray(account, environ):
        return
    if (whose := _not_the_owners(environ)) is not None:
        names = ", ".join(name for name in RECORDED if name in {*wanted, *account.recorded})
        _warn(
            f"{names} not recorded from within {whose}, so a daemon that is started "
            "automatically uses other directories: run credward daemon start in your own terminal"
        )
        return
    path = record_of(account.home)
    try:
        _write(path, wanted)
    except OSError as error:
        _warn(
            f'"{path}" cannot be written ({error.strerror}), so a daemon that is started '
            "automatically uses other directories: correct its permissions, then run "
            "credward daemon start"
        )
        return
    said = ", ".join(f"{name}={wanted[name]}" for name in RECORDED if name in wanted)
    say(f"note: a daemon that is started automatically uses {said or 'the usual directories'}")


def unrecorded_places() -> list[str]:
    """Return one line for each variable in which a started daemon differs from this shell."""
    environ = environment()
    if not start_is_wanted(environ):
        return []
    try:
        account = find_account()
    except BrokerError as error:
        return [_why(error)]
    if account.never_followed(environ) is not None:
        return []
    wanted = unusual_values(account, environ)
    return [
        _difference(name, account, environ)
        for name in RECORDED
        if wanted.get(name) != account.recorded.get(name)
    ]


def is_stray(account: Account, environ: Mapping[str, str]) -> bool:
    """Return whether XDG_CONFIG_HOME hides the owner's configuration, with none in its place.

    A daemon that used it would start with nothing, or not at all.
    """
    if _CONFIG not in unusual_values(account, environ) or find_paths(environ).config_file.exists():
        return False
    others = ({"HOME": str(account.home)}, account.environment())
    return any(find_paths(each).config_file.exists() for each in others)


def _difference(name: str, account: Account, environ: Mapping[str, str]) -> str:
    configured = find_paths(environ).is_configured
    if not environ.get(name):
        value = account.recorded[name]
        remedy = (
            "run credward daemon start to record the usual directory"
            if configured
            else f"set {name} to that here too"
        )
        return f"uses {name}={value} as recorded, and this shell does not set it: {remedy}"
    if name == _CONFIG and is_stray(account, environ):
        return f"does not use {name} of this shell, where nothing is configured: unset {name}"
    if not configured:
        return f"does not use {name} of this shell: run credward add, which records it"
    return f"does not use {name} of this shell: run credward daemon start to record it"


def _why(error: BrokerError) -> str:
    """Return why the account is not known, in words that are true even while a daemon runs."""
    if error.kind is Kind.NOT_RUNNING:
        return f"the passwd database has no home for uid {os.geteuid()}, so no daemon is started"
    return error.message


def _warn(text: str) -> None:
    say(f"warning: {text}")


def _not_the_owners(environ: Mapping[str, str]) -> str | None:
    """Return whose environment this is, if it may not be the owner's."""
    from credward.callers import ancestry
    from credward.callers.identify import process_table
    from credward.callers.programs import MARKS

    if is_restricted(environ):
        return "a sandbox"
    marked = next((MARKS[mark] for mark in MARKS if mark in environ), None)
    if marked is not None:
        return marked
    pid, processes = os.getpid(), process_table()
    stat = processes.stat(pid)
    if stat is None:
        # If processes are hidden, an agent above would be hidden too.
        return _UNKNOWN
    above = ancestry.walk(
        *(pid, stat, processes.path(pid), processes), seen=True, relays_above=False
    )
    return above.harness if above.complete else above.harness or _UNKNOWN


def _write(path: Path, values: Mapping[str, str]) -> None:
    """Put *values* in place of what was recorded; raise `OSError`."""
    if not values:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lines = [f"{name}={values[name]}\n" for name in RECORDED if name in values]
    named_files.replace_file(path, "".join([_HEAD, *lines]).encode())
