"""Record at set-up what the owner's environment says of places: what is started later goes by that.

What may be recorded and how it is read is `recorded`; here it is decided whose word it is.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import click

from credward.account import Account, find_account, record_of, unusual_values
from credward.config import environment
from credward.errors import BrokerError
from credward.recorded import RECORDED

__all__ = ["record_places", "unrecorded_places"]

_HEAD = "# Where the daemon of this account keeps its things when it is started automatically.\n"


def record_places() -> None:
    """Record where this environment has its places, and say on stderr what changed.

    Only at the owner's own word: not below an agent or in a sandbox, whose environment a repository
    may have set, and not with another HOME than the account's.
    """
    environ = environment()
    try:
        account = find_account()
    except BrokerError as error:
        # It is said again, and is an error, when a daemon has to be started.
        click.echo(f"warning: {error.message}", err=True)
        return
    wanted = unusual_values(account, environ)
    if wanted == account.recorded or not _is_the_accounts(account, environ):
        return
    if (whose := _not_the_owners(environ)) is not None:
        names = ", ".join(name for name in RECORDED if name in {*wanted, *account.recorded})
        click.echo(
            f"warning: {names} not recorded from within {whose}, so a daemon that is started "
            "automatically goes by other places: run this again in a terminal of your own",
            err=True,
        )
        return
    _write(record_of(account.home), wanted)
    said = ", ".join(f"{name}={wanted[name]}" for name in RECORDED if name in wanted)
    click.echo(
        f"note: a daemon that is started automatically goes by {said or 'the usual places'}",
        err=True,
    )


def unrecorded_places() -> list[str]:
    """Return the variables of this environment by which a daemon that is started does not go."""
    account, environ = find_account(), environment()
    if not _is_the_accounts(account, environ):
        return []
    wanted = unusual_values(account, environ)
    return [name for name in RECORDED if wanted.get(name) != account.recorded.get(name)]


def _is_the_accounts(account: Account, environ: Mapping[str, str]) -> bool:
    return Path(environ.get("HOME") or account.home) == account.home


def _not_the_owners(environ: Mapping[str, str]) -> str | None:
    """Return whose environment this is, if it may be another's than the owner's."""
    from credward.callers import ancestry, linux
    from credward.callers.mounts import MountTable
    from credward.callers.programs import MARKS
    from credward.starting.refusal import is_restricted

    if is_restricted(environ):
        return "a sandbox"
    marked = next((MARKS[mark] for mark in MARKS if mark in environ), None)
    if marked is not None:
        return marked
    processes = linux.Processes(MountTable())
    stat = processes.stat(os.getpid())
    if stat is None:
        return None
    above = ancestry.walk(
        *(os.getpid(), stat, processes.path(os.getpid()), processes), seen=True, relays_above=False
    )
    return above.harness if above.complete else above.harness or "an unknown program"


def _write(path: Path, values: Mapping[str, str]) -> None:
    """Put *values* in place of what was recorded; the file is whole at every instant, and 0600."""
    if not values:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".start-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(_HEAD)
            file.writelines(f"{name}={values[name]}\n" for name in RECORDED if name in values)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
