"""`credward status --endpoints`: where each endpoint on loopback is, and what leads to it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

import click

from credward.cli.endpoint_variables import SECRETS, variables_of
from credward.cli.output import plain, print_json, print_table, say
from credward.settings.doors import DOORS
from credward.wire import EndpointList, EndpointStatus

__all__ = ["show_endpoints"]

_HEADER = ("DOOR", "PORT", "CREDENTIALS", "STATE", "PROCESS")
_NONE = "no endpoint is configured: write [[endpoints]] (credward config edit)"


def show_endpoints(listed: EndpointList, *, as_json: bool) -> None:
    """Print the endpoints, then what leads programs to each; a secret stays in its file."""
    if as_json:
        print_json(listed)
        return
    if not listed.endpoints:
        click.echo(_NONE)
        return
    print_table(
        _HEADER,
        [
            (
                each.door,
                str(each.port or "-"),
                " ".join(each.credentials),
                "open" if each.failure is None else "closed",
                "-" if each.pid is None else str(each.pid),
            )
            for each in listed.endpoints
        ],
        colour_of={"open": "green", "closed": "red"},
    )
    for each in listed.endpoints:
        if each.failure is not None:
            say(f"{each.name}: {plain(each.failure.message)}", err=False)
        for line in _variables(each):
            click.echo(line)


def _variables(endpoint: EndpointStatus) -> Iterator[str]:
    """Yield a comment and assignments for a shell.

    None for a door of a newer daemon, and for that of a process, which has them already.
    """
    door = next((each for each in DOORS if each == endpoint.door), None)
    if door is None or endpoint.port is None or endpoint.pid is not None:
        return
    file = endpoint.token_file or ""
    yield ""
    yield f"# {endpoint.name}"
    found = variables_of(door, endpoint.port, file, str, region=endpoint.region)
    for name, value in found.items():
        said = f'"$(cat {shlex.quote(file)})"' if name in SECRETS else shlex.quote(value)
        yield f"export {name}={said}"
