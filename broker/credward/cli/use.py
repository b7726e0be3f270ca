"""`credward use`: which credential a caller gets that names none; the daemon keeps the choice."""

from __future__ import annotations

import os
from pathlib import Path

import click

from credward import wire
from credward.callers.programs import CLAUDE_CODE
from credward.cli.names import complete_agents, complete_credentials
from credward.cli.output import print_json, print_table, viewer
from credward.cli.start import reach
from credward.errors import BrokerError, Kind
from credward.issuing.choices import place_of
from credward.paths import environment
from credward.text.tables import plain

__all__ = ["command"]

# What people call a tool whose harness has another name.
_TOOLS = {"claude-code": CLAUDE_CODE, "cursor-agent": "cursor"}


@click.command(
    "use",
    short_help="Choose the credential for callers that name none.",
    epilog="Example: credward use work --here\n\nExample: credward use gateway --for claude-code",
)
@click.argument("name", required=False, shell_complete=complete_credentials)
@click.option("--here", is_flag=True, help="Only in this folder and below.")
@click.option(
    "--in",
    "folder",
    type=click.Path(exists=True, file_okay=False),
    help="Only in this folder and below.",
)
@click.option(
    "--for",
    "agent",
    shell_complete=complete_agents,
    help="Only for this agent: claude-code, codex, gemini, ...",
)
@click.option("--clear", is_flag=True, help="Forget the choice instead.")
@click.option("--json", "as_json", is_flag=True, help="The choices for programs.")
def command(
    name: str | None, here: bool, folder: str | None, agent: str | None, clear: bool, as_json: bool
) -> None:
    """Use the credential NAME where none is named; without NAME, show what is chosen.

    The nearest folder counts most, then the agent, then the choice for everything, then `default`
    in the configuration. CREDWARD_CREDENTIAL=NAME chooses for one call. Policy decides as if the
    credential had been named.
    """
    if here and folder is not None:
        raise click.UsageError("--here and --in FOLDER exclude each other")
    if clear and name is not None:
        raise click.UsageError("--clear takes no NAME")
    where = _real_folder("." if here else folder)
    whom = None if agent is None else _TOOLS.get(agent, agent)
    client = reach(start=True)
    if name is None and not clear:
        if where or whom:
            raise click.UsageError("name the credential, or add --clear")
        found = client.choices()
    else:
        found = client.choose(wire.ChoiceChange(credential=name, folder=where, agent=whom))
    if as_json:
        print_json(found)
        return
    if name is not None:
        place = place_of(where, whom) or "where no other is named"
        click.echo(plain(f'"{name}" is used {place}'))
    _draw(found)
    if name is not None and whom in {None, CLAUDE_CODE}:
        # Last: the line before it is not true for Claude Code.
        _tell_of_claude_code(name, where)


def _tell_of_claude_code(name: str, folder: str | None) -> None:
    """Say so if the settings of Claude Code that count in *folder* ask for another one."""
    from credward.cli.setup.claude_code_merged import read_merged

    other = read_merged(environment(), Path(folder or Path.cwd())).asked_for
    if other not in {None, name}:
        click.echo(
            f'note: Claude Code still asks for "{plain(str(other))}" by name: run credward setup '
            "claude-code --active to let it follow"
        )


def _draw(found: wire.ChoiceList) -> None:
    if found.choices:
        click.echo()
        made = sorted(found.choices, key=lambda each: (each.folder or "", each.agent or ""))
        rows = [(_named(each), each.agent or "all", each.folder or "everywhere") for each in made]
        print_table(("CREDENTIAL", "AGENT", "FOLDER"), rows)
        click.echo()
    looking = viewer()
    # Only a name that the shell gives may be wrong.
    known = [each.name for each in reach().statuses().credentials] if looking.choice else ()
    line = looking.explain(found.active, found.because, known)
    click.echo(f"here: {line}" if line else "here: none, so name one or run credward use NAME")


def _named(choice: wire.Choice) -> str:
    return choice.credential + ("" if choice.configured else " (not configured)")


def _real_folder(folder: str | None) -> str | None:
    """Return it as the kernel names it: absolute and without links."""
    if folder is None:
        return None
    try:
        real = Path(folder).resolve(strict=True)
        return os.fsencode(real).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokerError(
            Kind.BAD_REQUEST,
            "the folder's name is not UTF-8, so it cannot be chosen for: name a folder above it "
            "with --in FOLDER",
        ) from error
    except OSError as error:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f"the folder cannot be used ({error.strerror or os.strerror(error.errno or 0)}): "
            "name one with --in FOLDER",
        ) from error
