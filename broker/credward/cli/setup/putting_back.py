"""Puts keys that were taken out of files back: whether, by option or once asked, and what is said.

`taken_out` knows the files; the store gives the keys back, to their owner only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import click

from credward.cli.output import warn_of_disk
from credward.cli.setup.taken_out import (
    TakenOut,
    change_since,
    forget,
    load,
    memory,
    place_of,
    put_line_back,
)
from credward.cli.shell_files import gives
from credward.cli.signals import held
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.tokens import Secret

__all__ = ["must_decide", "notes_about", "put_back", "put_back_options", "taken_for", "wanted"]

# Seconds for what nobody can interrupt: the store was opened just before.
_PATIENCE = 15.0


def put_back_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options `--put-back`, `--no-put-back` and `--although-changed` to *command*."""
    whether = click.option(
        "--put-back/--no-put-back",
        "put_back",
        default=None,
        help="Put keys that add took out of files back there, or not.",
    )
    changed = click.option(
        "--although-changed",
        is_flag=True,
        help="With --put-back: also into a file that changed since; the changes stay.",
    )
    return whether(changed(command))


def taken_for(secrets: Iterable[str]) -> dict[str, TakenOut]:
    """Return which of these *secrets* were taken out of a file, and of which line."""
    known = load()
    return {each: known[each] for each in secrets if each in known}


def notes_about(taken: Mapping[str, TakenOut]) -> Iterator[str]:
    """Yield one line for each key that the store has instead of its file."""
    for secret, each in taken.items():
        yield f'the key taken out of {each.place} is in the store, as "{secret}"'


def must_decide(taken: Mapping[str, TakenOut], name: str) -> BrokerError:
    """Return the error for keys that would be deleted without a decision."""
    places = " and ".join(each.place for each in taken.values())
    return BrokerError(
        Kind.BAD_REQUEST,
        f'"{name}" has the key taken out of {places}: add --put-back to write it there again, '
        "or --no-put-back to delete it",
    )


def wanted(taken: Mapping[str, TakenOut], decided: bool | None) -> dict[str, TakenOut]:
    """Return the keys to put back: as *decided*, else as answered on the terminal."""
    if decided is not None:
        return dict(taken) if decided else {}
    return {
        secret: each
        for secret, each in taken.items()
        if click.confirm(f"Put the key back into {each.place}?", default=True)
    }


def put_back(
    client: Client, taken: Mapping[str, TakenOut], *, although_changed: bool, may_ask: bool
) -> Iterator[str]:
    """Put each key back, and yield a line about it; the store keeps them, but gives none again.

    Raise `bad-request` for a file that changed since, except if the user agrees to that: with
    *although_changed*, or asked on the terminal if *may_ask*.
    """
    for secret, each in taken.items():
        agreed = although_changed or (may_ask and _agreed(secret, each))
        value = _given_back(client, secret, each)
        with held():
            # A signal between two of these steps would leave half of them, with the key.
            said = put_line_back(secret, each, value, although_changed=agreed)
            durable = client.secret_origin_remove(secret, timeout=_PATIENCE).durable
            forget(secret)
        yield f"{each.path}: {said}"
        if not durable:
            warn_of_disk()


def _given_back(client: Client, secret: str, taken: TakenOut) -> Secret:
    """Return the key; raise `fix-configuration` if store and notes differ, or if it is no key.

    Whoever can write to our notes must not decide where a key is written, and no daemon what else
    is: its answer becomes a line that a shell runs.
    """
    given = client.secret_give_back(secret)
    if given.origin != taken.sealed:
        place = place_of(given.origin)
        says = taken.place if place != taken.place else "something else about that line"
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'the key "{secret}" was taken out of {place}, but {memory()} says {says}, '
            "so it was not put back: correct that file, or add --no-put-back",
        )
    value = Secret(given.value)
    if not gives(taken.line(value), given.value):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'what the daemon gives as "{secret}" is no key that stood in {taken.place}, so it was '
            "not put back: run credward doctor to see which daemon that is",
        )
    return value


def _agreed(secret: str, taken: TakenOut) -> bool:
    """Ask about a file that changed; False also if it did not."""
    change = change_since(secret, taken)
    return bool(change) and click.confirm(
        f"{taken.path} {change} since then. Put the key back and keep these changes?", default=True
    )
