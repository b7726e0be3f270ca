"""`credward status`: what the daemon holds and its state, without any secret.

`credward.text` says it, `status_watch` says it again every second, `glance` sooner if all is plain.
"""

from __future__ import annotations

import sys

import click
import msgspec

from credward.cli.durations import DURATION
from credward.cli.endpoints import show_endpoints
from credward.cli.glance import columns
from credward.cli.names import complete_credentials
from credward.cli.output import print_json, viewer
from credward.cli.start import reach
from credward.errors import BrokerError, Kind
from credward.guess import guess
from credward.text.status import text_of
from credward.wire import CredentialStatus, SinkStatus, StatusList

__all__ = ["command", "file_verdict", "verdict"]


@click.command(
    "status",
    epilog="Example: credward status --watch\n\n"
    "Example: credward status gateway        (all about this one)\n\n"
    "Example: credward status --for 8h",
)
@click.argument("names", nargs=-1, shell_complete=complete_credentials)
@click.option("--json", "as_json", is_flag=True, help="All details, for programs.")
@click.option("--wide", is_flag=True, help="All columns in full, however narrow the terminal is.")
@click.option("--watch", is_flag=True, help="Show it anew every second; q ends it.")
@click.option("--endpoints", is_flag=True, help="Show the endpoints, and what leads to them.")
@click.option(
    "--for",
    "seconds",
    type=DURATION,
    help="Show which logins last so long, such as 8h; exit 0 all, 1 not, 2 unknown.",
)
@click.option(
    "--check", is_flag=True, help="Print nothing; exit 0 good, 1 failing, 2 will or may fail."
)
def command(
    names: tuple[str, ...],
    as_json: bool,
    wide: bool,
    watch: bool,
    endpoints: bool,
    seconds: float | None,
    check: bool,
) -> None:
    """Show the credentials (or only NAMES) and their state; one NAME: in detail.

    Below the table is one line for each problem, with the command that helps. A terminal that is
    too narrow for all columns gets the most useful ones.
    """
    if watch:
        if as_json or check or wide or seconds is not None:
            raise click.UsageError("--watch draws on a terminal: use it without the other options")
        from credward.cli.status_watch import PATIENCE, watch_status

        client = reach(timeout=PATIENCE)
        watch_status(lambda: _chosen(client.statuses(), names), in_detail=len(names) == 1)
        return
    if endpoints:
        if names or wide or check or seconds is not None:
            raise click.UsageError("--endpoints shows all of them: use it with --json at most")
        show_endpoints(reach().endpoints(), as_json=as_json)
        return
    if seconds is not None:
        if wide or check:
            raise click.UsageError("--for is a question of its own: use it with --json at most")
        from credward.cli.lasting_table import show_forecast

        sys.exit(show_forecast(_chosen(reach().statuses(), names), seconds, as_json=as_json))
    everything = reach().statuses()
    listed = _chosen(everything, names)
    if check:
        verdicts = [verdict(each) for each in listed.credentials]
        verdicts += [file_verdict(each) for each in listed.sinks]
        sys.exit(max(verdicts, default=0))
    if as_json:
        print_json(listed)
        return
    looking = viewer(None if wide else columns())
    known = [each.name for each in everything.credentials]
    for line in text_of(listed, looking, in_detail=len(names) == 1, known=known):
        click.echo(line)


def verdict(status: CredentialStatus) -> int:
    """Return 0 if all is well, 1 if a request would fail now, 2 if it will after the token ends.

    A token that is probably refused where it is used counts as 2: that is a guess.
    """
    failing = status.state in {"expired", "parked", "rejected", "locked"}
    if failing or (status.failure and status.expires_at is None):
        return 1
    return 2 if status.failure or status.doubt else 0


def file_verdict(sink: SinkStatus) -> int:
    """Return the same of a file: 1 if nothing that may be used is in it."""
    return {"fresh": 0, "stale": 2}.get(sink.state, 1)


def _chosen(listed: StatusList, names: tuple[str, ...]) -> StatusList:
    """Return only these credentials, none: all; raise `unknown-credential`."""
    known = {each.name: each for each in listed.credentials}
    for name in names:
        if name not in known:
            raise BrokerError(
                Kind.UNKNOWN_CREDENTIAL,
                f'"{name}" is not configured{guess(name, known)}: run credward status for the list',
            )
    chosen = dict.fromkeys(names or known)
    return msgspec.structs.replace(
        listed,
        credentials=[known[name] for name in chosen],
        sinks=[each for each in listed.sinks if each.credential in chosen],
    )
