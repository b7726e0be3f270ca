"""`credward doctor --fix`: run the commands that doctor would name, if they lose nothing."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Any

import click

from credward.cli.doctor.examine import Report
from credward.errors import BrokerError

__all__ = ["fix_all"]


def fix_all(report: Report, *, yes: bool, quiet: bool) -> list[dict[str, Any]]:
    """Run each such command of *report* once; return each with its result.

    Settings of another tool change only after a yes, typed or as *yes*. With *quiet* only the
    result tells what happened.
    """
    commands = dict.fromkeys(each.fix for each in report.findings if each.fix)
    results = []
    for words in commands:
        line = f"credward {' '.join(words)}"
        if not quiet:
            click.echo(f"\nfix: {line}")
        heard = io.StringIO()
        with contextlib.redirect_stdout(heard) if quiet else contextlib.nullcontext():
            problem = _run([*words, *_more(words, yes=yes, quiet=quiet)])
        if problem is not None and not quiet:
            click.echo(f"not done: {problem}")
        results.append({"command": line, "done": problem is None, "problem": problem})
    if results and not quiet:
        click.echo()
    return results


def _more(words: tuple[str, ...], *, yes: bool, quiet: bool) -> Iterator[str]:
    if words[0] == "setup":
        if yes:
            yield "--yes"
        if quiet:
            # It would ask, or examine again.
            yield "--json"


def _run(words: list[str]) -> str | None:
    """Run one command in this process; return why it failed, None if it worked."""
    from credward.cli.main import credward

    try:
        credward(words, prog_name="credward", standalone_mode=False)
    except BrokerError as error:
        return error.message
    except click.Abort:
        return "stopped"
    except click.ClickException as error:
        return error.format_message()
    except SystemExit:
        # Set-up ends with doctor, whose findings are printed anyway.
        return None
    return None
