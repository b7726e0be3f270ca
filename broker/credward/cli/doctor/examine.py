"""Run every check and report what they find; a broken link hides only what depends on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from credward.cli.doctor.claude_code import check_claude_code
from credward.cli.doctor.configuration import check_active, check_configuration
from credward.cli.doctor.daemon import check_daemon
from credward.cli.doctor.finding import Finding, Fixed, Known, failed
from credward.cli.doctor.folder import check_settings_here
from credward.cli.doctor.helper import check_helper, check_run
from credward.cli.doctor.set_ups import check_set_ups
from credward.cli.doctor.shell_files import check_shell_files
from credward.cli.doctor.token import check_token
from credward.cli.doctor.upstream import check_upstream
from credward.cli.output import plain, print_json, say
from credward.errors import BrokerError

__all__ = ["Report", "diagnose", "print_report", "report_on"]

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
# Each with the name of its link, for a failure that it does not expect.
_CHECKS: tuple[tuple[str, Callable[[Known], Iterator[Finding]]], ...] = (
    ("configuration", check_configuration),
    ("daemon", check_daemon),
    ("credential", check_active),
    ("token", check_token),
    ("helper", check_helper),
    ("Claude Code", check_claude_code),
    ("set-ups", check_set_ups),
    ("folder", check_settings_here),
    ("helper run", check_run),
    ("shell files", check_shell_files),
    ("upstream", check_upstream),
)


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All findings about one credential, None if it is not known which one."""

    credential: str | None
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """That of the first broken link, 0 if there is none."""
        broken = (each.kind for each in self.findings if each.kind is not None)
        return next((kind.exit_code for kind in broken), 0)

    def for_programs(self) -> dict[str, Any]:
        """Return it in the form of `--json`."""
        return {
            "well": self.exit_code == 0,
            "exit_code": self.exit_code,
            "credential": self.credential,
            "findings": [
                {
                    "check": each.check,
                    "mark": each.mark,
                    "text": each.text,
                    "kind": each.kind.slug if each.kind else None,
                    "fix": f"credward {' '.join(each.fix)}" if each.fix else None,
                }
                for each in self.findings
            ],
        }


def report_on(known: Known, *, as_json: bool = False) -> int:
    """Run the checks, print what they find, return the exit code."""
    report = diagnose(known, told=None if as_json else print_finding)
    if as_json:
        print_report(report)
    return report.exit_code


def diagnose(known: Known, *, told: Callable[[Finding], None] | None = None) -> Report:
    """Run the checks; *told* hears of each finding at once."""
    findings = []
    for finding in _findings(known):
        findings.append(finding)
        if finding.kind is not None:
            known.broken.add(finding.kind)
        if told is not None:
            told(finding)
    credential = known.credential.name if known.credential else None
    return Report(credential=credential, findings=tuple(findings))


def print_finding(finding: Finding) -> None:
    """Print one line."""
    text = f"{finding.mark:4} {finding.check}: {plain(finding.text)}"
    say(text, err=False, mark=_COLOURS[finding.mark])


def print_report(report: Report, fixed: Sequence[Fixed] = ()) -> None:
    """Print a report for programs, and what was *fixed* before."""
    told = [{"command": each.command, "done": each.done, "problem": each.problem} for each in fixed]
    print_json({**report.for_programs(), "fixed": told})


def _findings(known: Known) -> Iterator[Finding]:
    for link, check in _CHECKS:
        try:
            yield from check(known)
        except BrokerError as error:
            yield failed(link, error)
