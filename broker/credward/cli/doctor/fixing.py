"""`credward doctor --fix`: run the commands that doctor would name, if they lose nothing."""

from __future__ import annotations

import subprocess
import sys

import click

from credward.cli.doctor.examine import Report
from credward.cli.doctor.finding import Fixed
from credward.errors import Kind

__all__ = ["fix_all"]

# Without a yes, and stopped by Ctrl-C or a no.
_REFUSED = {Kind.BAD_REQUEST.exit_code, 130}


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
        # A question of it may be asked on either.
        stderr=subprocess.PIPE if quiet else None,
        text=True,
        check=False,
    )
    code = done.returncode
    examined = changes_settings and not quiet and code not in _REFUSED
    return Fixed(
        command=line,
        done=code == 0 or examined,
        problem=_problem(done.stderr) if quiet and code != 0 else None,
        exit_code=code,
        examined=examined,
    )


def _problem(stderr: str) -> str:
    """Return the last line, without our name."""
    lines = stderr.strip().splitlines() or ["it failed: run it by hand"]
    return lines[-1].removeprefix("credward: ")


def _interpreter() -> list[str]:
    """Return how this program is called; never with the working directory in the search path."""
    return [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", "credward"]
