"""`credward doctor`: check the way of a token from file to agent and report the first broken link.

Each check knows one link and the command that repairs it; `helper_probe` runs the helper.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import click
import msgspec
from msgspec.structs import replace

from credward import __version__
from credward.account import account_home
from credward.cli.config import checked
from credward.cli.helper_probe import find_helper, kind_of, probe
from credward.cli.names import complete_credentials
from credward.cli.output import format_duration, print_json
from credward.cli.recording import unrecorded_places
from credward.cli.setup import claude_code
from credward.cli.start import paths, reach
from credward.cli.surroundings import folder_body, report
from credward.config import Config, CredentialConfig, environment
from credward.errors import BrokerError, Kind
from credward.issuing.asking import find_credential
from credward.policy.base_url import check_base_url
from credward.policy.claude_settings import read_folder
from credward.policy.client_variables import read_claims
from credward.policy.redirects import check_folder, shown
from credward.tokens import Folder
from credward.wire import StatusList

__all__ = ["command", "examine"]

_Mark = Literal["ok", "warn", "fail"]
_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
# Claude Code shows a notice at ten seconds; a warm answer takes milliseconds.
_SLOW = 1.0
# The cost of a helper of another kind than static musl (`benchmarks/run.py`; `helpers/README.md`).
_COSTS = {
    "static glibc": "takes about 1.5 times as long for each request",
    "dynamic glibc": "takes about 2 times as long for each request",
    "Python": "takes about 200 times as long for each request",
}
# The default timeout of a request (seconds).
_PATIENCE = 4.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one check; *kind* is set if the link is broken."""

    check: str
    mark: _Mark
    text: str
    kind: Kind | None = None


@click.command(
    "doctor",
    short_help="Show what is wrong, and what to type.",
    epilog="Example: credward doctor gateway",
)
@click.argument("name", default="-", shell_complete=complete_credentials)
@click.option("--json", "as_json", is_flag=True, help="The findings for programs.")
def command(name: str, as_json: bool) -> None:
    """Check every link from the configuration to the agent; stop at the first broken one.

    Runs the helper as Claude Code does, but only if the line in its settings is a plain call of the
    helper. The token itself is never shown.
    """
    sys.exit(examine(name, as_json=as_json))


def examine(name: str, *, as_json: bool = False) -> int:
    """Run the checks for the credential *name*, print what they find, return the exit code."""
    findings: list[Finding] = []
    for finding in _findings(name):
        findings.append(finding)
        if not as_json:
            mark = click.style(f"{finding.mark:4}", fg=_COLOURS[finding.mark])
            click.echo(f"{mark} {finding.check}: {finding.text}")
        if finding.kind is not None:
            break
    broken = findings[-1].kind if findings else None
    if as_json:
        print_json(
            {
                "well": broken is None,
                "findings": [
                    {"check": each.check, "mark": each.mark, "text": each.text} for each in findings
                ],
            }
        )
    return broken.exit_code if broken else 0


class _InForce(msgspec.Struct, frozen=True, kw_only=True):
    """The `apiKeyHelper` that Claude Code runs here; it may be a repository's.

    *call*: None if it is not a plain call of our helper. *asked*: the credential that it is for.
    """

    line: str
    path: Path
    call: claude_code.HelperCall | None
    asked: CredentialConfig | None


class _Known(msgspec.Struct):
    """Results of earlier checks for later ones."""

    config: Config | None = None
    credential: CredentialConfig | None = None
    statuses: StatusList | None = None
    in_force: _InForce | None = None


def _findings(name: str) -> Iterator[Finding]:
    known = _Known()
    steps: tuple[tuple[str, Callable[[_Known, str], Iterator[Finding]]], ...] = (
        ("configuration", _configuration),
        ("daemon", _daemon),
        ("helper", _helper),
        ("Claude Code", _claude_code),
        ("folder", _folder),
    )
    for check, step in steps:
        try:
            yield from step(known, name)
        except BrokerError as error:
            yield Finding(check=check, mark="fail", text=error.message, kind=error.kind)
            return


def _configuration(known: _Known, name: str) -> Iterator[Finding]:
    known.config = checked(paths(), None)
    files = ", ".join(str(source) for source in known.config.sources) or "no file"
    yield Finding(check="configuration", mark="ok", text=files)
    for warning in known.config.warnings:
        yield Finding(check="configuration", mark="warn", text=warning)
    if name == "-" and known.config.default is None and len(known.config.credentials) > 1:
        # First check what all credentials share; which one to use comes later.
        return
    known.credential = find_credential(known.config, name)
    yield Finding(
        check="credential",
        mark="ok",
        text=f'"{known.credential.name}" by {known.credential.provider}',
    )


def _daemon(known: _Known, name: str) -> Iterator[Finding]:
    assert known.config is not None
    for text in unrecorded_places():
        yield Finding(check="automatic start", mark="warn", text=text)
    known.statuses = listed = reach(start=True).statuses()
    yield Finding(check="daemon", mark="ok", text=f"pid {listed.pid}, version {listed.version}")
    if listed.version != __version__:
        yield Finding(
            check="daemon",
            mark="warn",
            text=f"has a version other than {__version__}: run credward daemon restart",
        )
    for what, text in (("attestation", listed.attestation), ("hardening", listed.hardening)):
        yield Finding(check=what, mark="ok" if text == "full" else "warn", text=text)
    for warning in listed.warnings:
        yield Finding(check="daemon", mark="warn", text=warning)
    if listed.locked:
        text = "is locked: run credward unlock"
        yield Finding(check="store", mark="fail", text=text, kind=Kind.STORE_LOCKED)
        return
    if known.credential is None:
        try:
            known.credential = find_credential(known.config, name)
        except BrokerError as error:
            yield Finding(check="credential", mark="fail", text=error.message, kind=error.kind)
            return
    if known.credential.name not in {each.name for each in listed.credentials}:
        yield Finding(
            check="daemon",
            mark="fail",
            text=f'does not know "{known.credential.name}" yet: run credward daemon reload',
            kind=Kind.UNKNOWN_CREDENTIAL,
        )


def _helper(known: _Known, _name: str) -> Iterator[Finding]:
    assert known.credential is not None
    helper = find_helper()
    yield _kind(helper)
    line = claude_code.wanted(helper, known.credential, 240)[claude_code.HELPER]
    known.in_force = found = _in_force(known, helper)
    # A line for another credential proves nothing about this one.
    if found is not None and found.call is not None and found.asked is known.credential:
        line = shlex.join(found.call.words)
    if known.credential.meaning.kind == "aws":
        # Three keys have no one-line form; Claude Code does not ask for them.
        name = shlex.quote(known.credential.name)
        line = f"exec {shlex.quote(str(helper))} {name} --format json"
    extra = {"CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "240000"}
    if known.credential.base_urls:
        extra["ANTHROPIC_BASE_URL"] = known.credential.base_urls[0]
    seen = probe(line, extra)
    if seen.exit_code is None or seen.held_open:
        text = (
            "a program that it started keeps its output open" if seen.held_open else "does not end"
        )
        yield Finding(check="helper run", mark="fail", text=text, kind=Kind.TIMED_OUT)
    elif seen.exit_code != 0:
        kind = next((each for each in Kind if each.exit_code == seen.exit_code), Kind.INTERNAL)
        text = seen.complaint.removeprefix("credward: ") or f"exit {seen.exit_code}"
        yield Finding(check="helper run", mark="fail", text=text, kind=kind)
    elif seen.fault is not None:
        yield Finding(check="helper run", mark="fail", text=seen.fault, kind=Kind.PROVIDER_REFUSED)
    else:
        yield Finding(
            check="helper run",
            mark="ok" if seen.seconds < _SLOW else "warn",
            text=f"a token of {seen.length} characters in {seen.seconds * 1000:.1f} ms",
        )


def _kind(helper: Path) -> Finding:
    """Report how the helper is built, and the cost."""
    kind = kind_of(helper)
    if (cost := _COSTS.get(kind)) is None:
        text = f"{helper} ({kind})" if kind else str(helper)
        return Finding(check="helper", mark="ok", text=text)
    text = (
        f"{helper} ({kind}) {cost}: install musl-gcc or the Python package ziglang, "
        "then reinstall credward"
    )
    return Finding(check="helper", mark="warn", text=text)


def _in_force(known: _Known, helper: Path) -> _InForce | None:
    """Return what Claude Code runs under these settings, None if they name no helper."""
    assert known.config is not None
    found = claude_code.active_helper(claude_code.settings_paths(environment(), Path.cwd()))
    if found is None:
        return None
    line, path = found
    call = claude_code.helper_call(line, helper)
    try:
        asked = None if call is None else find_credential(known.config, call.name)
    except BrokerError:
        asked = None
    return _InForce(line=line, path=path, call=call, asked=asked)


def _fault(name: str, found: _InForce) -> str | None:
    """Return why the current line does not serve credential *name*, None if it does."""
    if not claude_code.ours(found.line):
        return "names another helper: "
    if found.call is None:
        return "has a line that is not a plain call of this helper and is not tried here: "
    if found.asked is None:
        return "names this helper for a credential that is not configured: "
    if found.asked.name != name:
        return (
            f'names this helper for "{found.asked.name}", not for "{name}": '
            f"run credward doctor {found.asked.name}; to change it, "
        )
    return None


def _cache_time(name: str, kept: float) -> Iterator[Finding]:
    """Warn if Claude Code would keep a token longer than it lasts."""
    # Ask again: the run of the helper may have changed it.
    lives = {each.name: each.life for each in reach().statuses().credentials}
    life = lives.get(name)
    if life is not None and kept > life / 2:
        yield Finding(
            check="Claude Code",
            mark="warn",
            text=f"keeps a token for {format_duration(kept)}, but the token may expire after "
            f"{format_duration(round(life / 2))}: run credward setup claude-code {name}",
        )


def _claude_code(known: _Known, _name: str) -> Iterator[Finding]:
    assert known.credential is not None
    if known.credential.meaning.kind == "aws":
        return
    paths = claude_code.settings_paths(environment(), Path.cwd())
    found = known.in_force
    if found is None:
        yield Finding(
            check="Claude Code",
            mark="warn",
            text=f"has no helper: run credward setup claude-code {known.credential.name}",
        )
        return
    path, name = found.path, known.credential.name
    fault = _fault(name, found)
    if fault is None:
        yield Finding(check="Claude Code", mark="ok", text=f"{path} names this helper")
    else:
        mend = claude_code.remedy(name, path, paths, replace=not claude_code.ours(found.line))
        yield Finding(check="Claude Code", mark="warn", text=f"{path} {fault}{mend}")
    if found.asked is not None and found.asked is not known.credential:
        # Its cache time and its address are set for that credential.
        return
    credential = known.credential
    own = {level: path for level, path in paths.items() if level == "user"}
    said = {**environment(), **claude_code.settings_environment(own)}
    kept = claude_code.kept_for({**environment(), **claude_code.settings_environment(paths)})
    yield from _cache_time(credential.name, kept)
    home = next(iter(credential.base_urls), None)
    # The run above had a clean environment; an agent started from here has another one.
    denial = check_base_url(
        credential.base_urls,
        credential.allowed_flags,
        home,
        read_claims(report(said, _PATIENCE)).flags,
        name=credential.name,
    )
    if denial is not None:
        text = f'an agent of this shell gets nothing, for "{credential.name}" {denial}'
        yield Finding(check="Claude Code", mark="warn", text=text)
    for warning in claude_code.warnings(environment(), paths, path):
        yield Finding(check="Claude Code", mark="warn", text=warning)


def _folder(known: _Known, _name: str) -> Iterator[Finding]:
    """Report what an agent started here would get, because of a repository's settings."""
    assert known.credential is not None
    credential = known.credential
    body = folder_body(_PATIENCE)
    if not body:
        return
    try:
        found = read_folder(body, home=account_home(os.geteuid()))
    except ValueError as error:
        text = f"the settings files here cannot be checked, {error}: ask in another folder"
        yield Finding(check="folder", mark="fail", text=text, kind=Kind.BAD_REQUEST)
        return
    said = read_claims(report(environment(), _PATIENCE)).variables
    folder = replace(found, variables=tuple(said.items()))
    denial = check_folder(
        credential.base_urls, credential.allowed_flags, folder, name=credential.name
    )
    if denial is not None:
        text = f'"{credential.name}" {denial}'
        yield Finding(check="folder", mark="fail", text=text, kind=Kind.DENIED)
    elif not credential.base_urls and (followed := _deciding(folder)):
        text = (
            f'"{credential.name}" is bound to no host, so {shown(followed)} may have its token '
            "sent anywhere: give it a base_url in the configuration"
        )
        yield Finding(check="folder", mark="warn", text=text)
    elif folder.files:
        yield Finding(check="folder", mark="ok", text="no settings file here sends it elsewhere")


def _deciding(folder: Folder) -> str | None:
    """Return the first file that affects where requests go, or None."""
    return next((each.path for each in folder.files if each.variables or each.fault), None)
