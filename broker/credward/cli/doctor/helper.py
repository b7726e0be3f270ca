"""The helper: how it is built, and what it prints when it is run as the agent runs it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from credward import __version__
from credward.cli.doctor.destination import denial_of
from credward.cli.doctor.finding import Finding, Known, fail, ok, warn
from credward.cli.doctor.token import shape_of
from credward.cli.helper_probe import Build, Probe, build_of, find_helper, probe
from credward.cli.start import reach
from credward.config import CredentialConfig
from credward.errors import Kind
from credward.issuing.asking import DEFAULT_NAME
from credward.paths import environment
from credward.text.viewer import CHOICE
from credward.wire import StatusList

__all__ = ["check_helper", "check_run"]

# Claude Code shows a notice at ten seconds; a warm answer takes milliseconds.
_SLOW = 1.0
# The cost of a helper of another kind than static musl (`benchmarks/run.py`; `helpers/README.md`).
_COSTS = {
    "static glibc": "takes about 1.5 times as long for each request",
    "dynamic glibc": "takes about 2 times as long for each request",
    "Python": "takes about 200 times as long for each request",
}
# Variables by which a helper finds its daemon.
_LEADING = ("CREDWARD_SOCKET", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME")


def check_helper(known: Known) -> Iterator[Finding]:
    """Report how the helper is built, and the cost."""
    known.helper = helper = find_helper()
    yield about(helper, build_of(helper))


def about(helper: Path, build: Build) -> Finding:
    """Return what is to be said about the *build* of *helper*."""
    if build.version and build.version != __version__:
        return fail(
            "helper",
            f"{helper} is version {build.version}, and this is {__version__}: "
            "run pip install --force-reinstall credward",
            Kind.FIX_CONFIGURATION,
        )
    if (cost := _COSTS.get(build.kind)) is None:
        return ok("helper", f"{helper} ({build.kind})" if build.kind else str(helper))
    return warn(
        "helper",
        f"{helper} ({build.kind}) {cost}: install musl-gcc or the Python package ziglang, "
        "then reinstall credward",
    )


def check_run(known: Known) -> Iterator[Finding]:
    """Run the line of the settings, else our own, here; compare with what the credential gives."""
    credential = known.credential
    if known.given is None or known.helper is None or credential is None:
        # It would fail for the reason that is already reported.
        return
    environ = dict(environment())
    if known.merged is not None and known.merged.helper is not None:
        environ = known.merged.safe_environment()
    if known.line is None and known.astray:
        # At least the helper itself can be seen to work.
        for each in credential.base_urls[:1]:
            environ["ANTHROPIC_BASE_URL"] = each
    if known.line is not None and known.unnamed != DEFAULT_NAME:
        # A line without a name gets what was chosen for the agent, and we are not one.
        environ[CHOICE] = known.unnamed
    if known.folder_refused or denial_of(credential, environ) is not None:
        # Reported already; and the daemon would show our own question as a denial.
        return
    line = known.line or _line(known.helper, credential)
    seen = probe(line, environ, Path.cwd())
    yield from _judge(known, credential, seen)


def _line(helper: Path, credential: CredentialConfig) -> str:
    name = shlex.quote(credential.name)
    shape = shape_of(credential)
    more = "" if shape == "token" else f" --format {shape}"
    return f"exec {shlex.quote(str(helper))} {name}{more}"


def _judge(known: Known, credential: CredentialConfig, seen: Probe) -> Iterator[Finding]:
    check = "helper run"
    if seen.exit_code is None or seen.held_open:
        text = "a program that it started keeps its output open" if seen.held_open else "never ends"
        yield fail(check, f"{text}: run credward daemon logs", Kind.TIMED_OUT)
    elif seen.exit_code != 0:
        kind = next((each for each in Kind if each.exit_code == seen.exit_code), Kind.INTERNAL)
        # An earlier check has said the same more exactly.
        if kind not in known.broken:
            text = seen.complaint.removeprefix("credward: ") or f"exit {seen.exit_code}"
            yield fail(check, text, kind)
    elif seen.fault is not None:
        yield fail(
            check, f"{seen.fault}: run credward get {credential.name}", Kind.PROVIDER_REFUSED
        )
    elif shape_of(credential) == "token" and not _same(known, credential, seen):
        yield fail(check, _other_token(known, credential), Kind.FIX_CONFIGURATION)
    else:
        text = f"a token of {seen.length} characters in {seen.seconds * 1000:.1f} ms"
        yield (ok if seen.seconds < _SLOW else warn)(check, text)


def _same(known: Known, credential: CredentialConfig, seen: Probe) -> bool:
    """Return whether the token is that of this credential; one of a later mint counts as such."""
    assert known.statuses is not None
    return seen.digest == known.given or (
        _mints(credential, known.statuses) < _mints(credential, reach().statuses())
    )


def _mints(credential: CredentialConfig, listed: StatusList) -> int:
    """Return how often it and those that may replace it were minted."""
    names = {credential.name, *credential.fallback}
    return sum(each.mints for each in listed.credentials if each.name in names)


def _other_token(known: Known, credential: CredentialConfig) -> str:
    text = f'prints another token than "{credential.name}" gives here'
    for name in _LEADING:
        level = known.merged.setter(name) if known.merged is not None else None
        if level is not None:
            return f"{text}, because {level.path} sets {name}: remove it there"
    return f"{text}: run credward doctor again, then credward daemon restart"
