"""`credward doctor --fix`: run the commands that doctor would name, if they lose nothing."""

from __future__ import annotations

import subprocess
import sys

import click

from credward.cli.doctor.examine import Report
from credward.cli.doctor.finding import Fixed

__all__ = ["fix_all"]


def fix_all(report: Report, *, yes: bool, quiet: bool) -> list[Fixed]:
    """Run each such command of *report* once.

    Settings of another tool change only after a yes, typed or as *yes*. With *quiet* nothing is
    printed.
    """
    commands = dict.fromkeys(each.fix for each in report.findings if each.fix)
    return [_fix(words, yes=yes, quiet=quiet) for words in commands]


def _fix(words: tuple[str, ...], *, yes: bool, quiet: bool) -> Fixed:
    line = f"credward {' '.join(words)}"
    changes_settings = words[0] == "setup"
    if not quiet:
        click.echo(f"\nfix: {line}")
    more = [("--yes", changes_settings and yes), ("--json", changes_settings and quiet)]
    # A process of its own: a daemon that it starts is no child of what has seen a token.
    done = subprocess.run(
        [*_interpreter(), *words, *(option for option, wanted in more if wanted)],
        stdout=subprocess.DEVNULL if quiet else None,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    complaints = [each for each in done.stderr.splitlines() if each.startswith("credward: ")]
    problem = complaints[-1].removeprefix("credward: ") if complaints else None
    if not quiet:
        click.echo(done.stderr, nl=False, err=True)
    return Fixed(
        command=line,
        done=problem is None,
        problem=problem,
        exit_code=done.returncode,
        examined=changes_settings and not quiet and problem is None,
    )


def _interpreter() -> list[str]:
    """Return how this program is called; never with the working directory in the search path."""
    return [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", "credward"]
