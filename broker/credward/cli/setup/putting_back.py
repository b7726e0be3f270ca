"""Puts keys that were taken out of files back: whether, by option or once asked, and what is said.

`taken_out` knows the files; the store gives the keys back, to their owner only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import click

from credward.cli.setup.taken_out import TakenOut, forget, is_changed, load, put_line_back
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
    """Yield one line for each key of which the store may have the only copy."""
    for secret, each in taken.items():
        yield f'the key of {each.place} is only in the store, as "{secret}"'


def must_decide(taken: Mapping[str, TakenOut], name: str) -> BrokerError:
    """Return the error for keys that would be lost without a decision."""
    places = " and ".join(each.place for each in taken.values())
    return BrokerError(
        Kind.BAD_REQUEST,
        f'"{name}" has the only copy of the key of {places}: add --put-back to write it there '
        "again, or --no-put-back to lose it",
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
    client: Client, taken: Mapping[str, TakenOut], *, although_changed: bool
) -> Iterator[str]:
    """Put each key back, and yield a line about it; the store keeps them.

    Raise `bad-request` for a file that changed since, except if the user agrees to that.
    """
    for secret, each in taken.items():
        agreed = although_changed or (is_changed(each) and _agreed(each))
        value = Secret(client.secret_give_back(secret).value)
        yield f"{each.path}: {put_line_back(each, value, although_changed=agreed)}"
        forget(secret)


def _agreed(taken: TakenOut) -> bool:
    if not sys.stdin.isatty():
        return False
    return click.confirm(
        f"{taken.path} changed since then. Put the key back and keep these changes?", default=True
    )
