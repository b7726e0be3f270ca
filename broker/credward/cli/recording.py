"""Record at set-up what the owner's environment says of places: what is started later goes by that.

What may be recorded and how it is read is `recorded`; here it is decided whose word it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from credward import named_files
from credward.account import find_account, record_of, unusual_values
from credward.config import environment
from credward.errors import BrokerError, Kind
from credward.recorded import RECORDED
from credward.starting.refusal import is_restricted, start_is_wanted

__all__ = ["record_places", "unrecorded_places"]

_HEAD = "# Where the daemon of this account keeps its things when it is started automatically.\n"
_UNKNOWN = "an unknown program"


def record_places() -> None:
    """Record where this environment has its places, and say on stderr what changed.

    Only at the owner's own word: not below an agent or in a sandbox, whose environment a repository
    may have set, and not with another HOME than the account's or a CREDWARD_CONFIG. Nothing is
    recorded from where no daemon would be started.
    """
    environ = environment()
    if not start_is_wanted(environ):
        return
    try:
        account = find_account()
    except BrokerError as error:
        _warn(f"no places recorded: {_why(error)}")
        return
    if (variable := account.never_followed(environ)) is not None:
        _warn(
            f"an automatic start does not go by {variable}: "
            "run credward serve --detach in your own terminal"
        )
        return
    wanted = unusual_values(account, environ)
    if wanted == account.recorded:
        return
    if (whose := _not_the_owners(environ)) is not None:
        names = ", ".join(name for name in RECORDED if name in {*wanted, *account.recorded})
        _warn(
            f"{names} not recorded from within {whose}, so a daemon that is started "
            "automatically goes by other places: run credward init in your own terminal"
        )
        return
    path = record_of(account.home)
    try:
        _write(path, wanted)
    except OSError as error:
        _warn(
            f'"{path}" cannot be written ({error.strerror}), so a daemon that is started '
            "automatically goes by other places: correct its rights, then run credward init"
        )
        return
    said = ", ".join(f"{name}={wanted[name]}" for name in RECORDED if name in wanted)
    click.echo(
        f"note: a daemon that is started automatically goes by {said or 'the usual places'}",
        err=True,
    )


def unrecorded_places() -> list[str]:
    """Return what of this environment a daemon that is started does not go by, in one line each."""
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
        f"does not go by {name} of this shell: run credward init to record it"
        for name in RECORDED
        if wanted.get(name) != account.recorded.get(name)
    ]


def _why(error: BrokerError) -> str:
    """Return why the account is not known, in words that hold while a daemon runs too."""
    if error.kind is Kind.NOT_RUNNING:
        return f"the passwd database has no home for uid {os.geteuid()}, so no daemon is started"
    return error.message


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)


def _not_the_owners(environ: Mapping[str, str]) -> str | None:
    """Return whose environment this is, if it may be another's than the owner's."""
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
        # Where processes are hidden, an agent above would be as well.
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
