"""The environment of the command: the caller's, with the variables of its doors.

The daemon opens the endpoints; who becomes the command is `program`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from credward import wire
from credward.cli.endpoint_variables import REGIONS, variables_of
from credward.cli.output import say
from credward.cli.run.rivals import files_before, rivals_of
from credward.cli.run.wanted import ENV, Wanted, check_clashes
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.store.files import read_private
from credward.tokens import TokenRequest

__all__ = ["surroundings"]

Variables = Mapping[str, str]

# How long a mint may take (seconds).
_PATIENCE = 60.0


def surroundings(
    client: Client,
    wanted: Sequence[Wanted],
    environ: Variables,
    *,
    seconds: float | None,
    anyway: bool,
) -> dict[str, str]:
    """Return the variables for the command; the endpoints behind them are open.

    *seconds*: how long a token in a variable must last. Says what is not passed on.
    """
    tokens = [(each, _token(each, seconds, anyway=anyway)) for each in wanted if each.door == ENV]
    found = [*tokens, *_doors(client, [each for each in wanted if each.door != ENV], environ)]
    check_clashes([(each, tuple(variables)) for each, variables in found])
    rivals = {name for each, variables in found for name in rivals_of(each.door, variables)}
    if hidden := sorted(rivals & environ.keys()):
        say(f"credward: not passed on, they count before the endpoint: {', '.join(hidden)}")
    for line in files_before(frozenset(each.door for each in wanted), environ):
        say(f"credward: {line}")
    kept = {name: value for name, value in environ.items() if name not in rivals}
    for _, variables in found:
        kept.update(variables)
    return kept


def _doors(
    client: Client, wanted: Sequence[Wanted], environ: Variables
) -> Iterator[tuple[Wanted, Variables]]:
    if not wanted:
        return
    asked = [wire.SessionEndpoint(credential=each.credential, door=each.door) for each in wanted]
    session = client.begin_session(wire.SessionStart(endpoints=asked))
    for each, there in zip(wanted, session.endpoints, strict=True):
        assert each.door != ENV
        file = there.token_file or ""
        yield (
            each,
            variables_of(
                each.door,
                there.port or 0,
                file,
                partial(_secret, file),
                # What the caller has chosen counts.
                region=None if environ.keys() & set(REGIONS) else there.region,
            ),
        )


def _secret(file: str) -> str:
    """Return the secret of an endpoint, for a protocol that takes no file."""
    found = read_private(Path(file), "token of an endpoint")
    if not found:
        raise BrokerError(Kind.INTERNAL, f'"{file}" is not there any more: run this again')
    return found.decode("ascii")


def _token(wanted: Wanted, seconds: float | None, *, anyway: bool) -> Variables:
    """Return the variables of a token itself, which nobody can renew there."""
    from credward.cli.get import ask

    token_request = TokenRequest(
        credential=wanted.credential, format="env", min_remaining=seconds, timeout=_PATIENCE
    )
    body, lasts = ask(token_request)
    if not (lasts or seconds is None):
        text = f'the token of "{wanted.credential}" does not last that long, and a variable is not '
        text += "renewed"
        if not anyway:
            raise BrokerError(
                Kind.BAD_REQUEST, f"{text}: choose another door than env, or add --anyway"
            )
        say(f"credward: {text}")
    # Each line is one assignment for a shell.
    return dict(word.split("=", 1) for word in shlex.split(body.decode("ascii")))
