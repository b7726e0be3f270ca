"""What `--with NAME=DOOR` asks for: which door, and which variables that takes.

Whether the credential exists, may be used, and fits the door is up to the daemon.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Literal

import click
import msgspec
from click.shell_completion import CompletionItem

from credward.cli.endpoint_variables import variables_of
from credward.cli.names import complete_credentials
from credward.cli.run.rivals import rivals_of
from credward.errors import BrokerError, Kind
from credward.guess import guess
from credward.settings.doors import DOORS, DoorKind

__all__ = ["ENV", "WORDS", "Wanted", "check_clashes", "complete_wanted", "read_wanted"]

ENV: Literal["env"] = "env"
WORDS: tuple[DoorKind | Literal["env"], ...] = (*DOORS, ENV)
# The door that the SDKs of a provider's cloud know, for a name alone.
_USUAL: dict[str, DoorKind] = {
    "aws": "aws-container",
    "gcp": "gce",
    "entra": "azure-app-service",
}


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One credential for the command, at a door of its own; `env`: the token in a variable."""

    credential: str
    door: DoorKind | Literal["env"]

    def __str__(self) -> str:
        return f"{self.credential}={self.door}"


def read_wanted(words: Sequence[str], provider_of: Callable[[str], str]) -> list[Wanted]:
    """Return what the *words* of `--with` ask for; raise `bad-request`.

    *provider_of* returns the provider of a credential, and is only asked if no door is named.
    """
    found = []
    for word in words:
        name, equals, door = word.partition("=")
        if not name or (equals and not door):
            raise BrokerError(Kind.BAD_REQUEST, "--with needs NAME=DOOR, such as bedrock=env")
        if not equals:
            provider = provider_of(name)
            door = _USUAL.get(provider, "")
            if not door:
                raise BrokerError(
                    Kind.BAD_REQUEST,
                    f'"{name}" ({provider}) has no usual door: write --with {name}=DOOR, with one '
                    f"of {', '.join(WORDS)}",
                )
        known = next((each for each in WORDS if each == door), None)
        if known is None:
            near = guess(door, WORDS, listed=True)
            raise BrokerError(Kind.BAD_REQUEST, f'no door "{door[:32]}"{near}')
        found.append(Wanted(credential=name, door=known))
    # The variables of a token are known when it is there.
    check_clashes(
        [
            (each, () if each.door == ENV else tuple(variables_of(each.door, 0, "", str)))
            for each in found
        ]
    )
    return found


def check_clashes(wanted: Sequence[tuple[Wanted, Collection[str]]]) -> None:
    """Raise `bad-request` for two, each with its variables, of which programs see one only."""
    for (one, of_one), (other, of_other) in itertools.combinations(wanted, 2):
        hidden = {
            *({*of_one} & {*of_other}),
            *({*of_one} & rivals_of(other.door, of_other)),
            *({*of_other} & rivals_of(one.door, of_one)),
        }
        if hidden:
            raise BrokerError(
                Kind.BAD_REQUEST,
                f"--with {one} and --with {other} exclude each other, because of {min(hidden)}: "
                "leave one of them out, or run two commands",
            )


def complete_wanted(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return names of credentials, and after `NAME=` the doors."""
    name, equals, door = incomplete.partition("=")
    if equals:
        return [CompletionItem(f"{name}={each}") for each in WORDS if each.startswith(door)]
    return [CompletionItem(each) for each in complete_credentials(ctx, param, incomplete)]
