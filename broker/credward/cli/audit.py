"""`credward audit`: who got what, and why not."""

from __future__ import annotations

import time

import click
import msgspec

from credward.audit import AuditEntry
from credward.cli.names import complete_credentials
from credward.cli.output import plain
from credward.cli.start import reach
from credward.cli.word_group import WordGroup
from credward.client import AuditLines, Client
from credward.errors import BrokerError, Kind

__all__ = ["command"]

# How often `--follow` asks (seconds).
_EVERY = 0.5
# That of `secret-given-back` (characters).
_WIDEST = 17
_COLOURS = {"denied": "red", "failed": "red", "issued": "green"}


@click.group("audit", cls=WordGroup, epilog="Example: credward audit tail --follow")
def command() -> None:
    """Read the record of decisions: who got what, and why not. It holds no secrets."""


@command.command(
    "tail",
    short_help="Print the last decisions; --follow: and what comes.",
    epilog="Example: credward audit tail gateway --follow",
)
@click.argument("name", required=False, shell_complete=complete_credentials)
@click.option("--follow", "-f", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option(
    "--lines", "-n", type=click.IntRange(0, 100_000), default=20, show_default=True, help="So many."
)
@click.option("--json", "as_json", is_flag=True, help="The lines as they are in the file.")
def tail(name: str | None, follow: bool, lines: int, as_json: bool) -> None:
    """Print the last decisions on every credential, or on NAME: oldest first."""
    client = reach(start=True)
    page = client.audit()
    found = _of(page, name)
    for line in found[-lines:] if lines else []:
        _print(line, raw=as_json)
    while follow:
        page = _next(client, page)
        for line in _of(page, name):
            _print(line, raw=as_json)


def _next(client: Client, page: AuditLines) -> AuditLines:
    """Return the next lines, perhaps none, after a moment."""
    if page.end is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            "the daemon is older than this command and cannot be followed: "
            "run credward daemon restart",
        )
    time.sleep(_EVERY)
    return client.audit(after=page.end)


def _of(page: AuditLines, name: str | None) -> list[bytes]:
    """Return the lines about the credential *name* (None: all)."""
    lines = page.lines.splitlines()
    return lines if name is None else [each for each in lines if _about(each) == name]


def _about(line: bytes) -> str | None:
    entry = _entry(line)
    return None if entry is None else entry.credential


def _entry(line: bytes) -> AuditEntry | None:
    try:
        return msgspec.json.decode(line, type=AuditEntry)
    except msgspec.DecodeError:
        # Of a newer version.
        return None


def _print(line: bytes, *, raw: bool) -> None:
    entry = None if raw else _entry(line)
    if entry is None:
        click.echo(plain(line.decode("utf-8", "replace")))
        return
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.time))
    outcome = click.style(f"{entry.outcome:{_WIDEST}}", fg=_COLOURS.get(entry.outcome))
    what = entry.format if entry.action == "Issue" else entry.action.lower()
    cause = " ".join(filter(None, [entry.rule, *entry.variables]))
    why = " ".join(filter(None, [entry.kind, cause and f"({cause})"]))
    text = f"{when}  {outcome} {entry.credential} {what} to {_who(entry)}"
    click.echo(text + (f"  {plain(why)}" if why else ""))


def _who(entry: AuditEntry) -> str:
    caller = entry.caller
    program = caller.executable.rpartition("/")[2] if caller.executable else "an unknown program"
    agent = f" of {caller.agent} {caller.agent_pid}" if caller.agent else ""
    return plain(f"{program} {caller.pid or '?'}{agent}")
