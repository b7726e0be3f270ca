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
    forget,
    is_changed,
    load,
    memory,
    put_line_back,
)
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.tokens import Secret

__all__ = ["must_decide", "notes_about", "put_back", "put_back_options", "taken_for", "wanted"]


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
        agreed = although_changed or (may_ask and is_changed(secret) and _agreed(each))
        value = _given_back(client, secret, each)
        yield f"{each.path}: {put_line_back(secret, value, although_changed=agreed)}"
        durable = client.secret_origin_remove(secret).durable
        forget(secret)
        if not durable:
            warn_of_disk()


def _given_back(client: Client, secret: str, taken: TakenOut) -> Secret:
    """Return the key; raise `fix-configuration` if the store knows that it is from another place.

    Whoever can write to our notes must not decide where a key is written.
    """
    given = client.secret_give_back(secret)
    if given.origin != taken.place:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'the key "{secret}" was taken out of {given.origin}, but {memory()} says '
            f"{taken.place}, so it was not put back: correct that file, or add --no-put-back",
        )
    return Secret(given.value)


def _agreed(taken: TakenOut) -> bool:
    return click.confirm(
        f"{taken.path} changed since then. Put the key back and keep these changes?", default=True
    )
