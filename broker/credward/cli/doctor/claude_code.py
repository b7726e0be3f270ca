"""Claude Code: its settings run our helper for this credential, and nothing comes before it.

`helper` runs the line; here is what the settings say without it, and where. Values of variables are
not shown, they may hold keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from credward.cli.doctor.destination import check_destination, denial_of, goes_to
from credward.cli.doctor.finding import Finding, Known, fail, ok, warn
from credward.cli.doctor.helper_line import Fault, fault_of, program_of
from credward.cli.doctor.levels import fix_for, remove, set_up_again, unset, where
from credward.cli.doctor.rivals import RIVALS, sent_instead
from credward.cli.doctor.set_up import what_to_set_up
from credward.cli.output import format_duration
from credward.cli.setup.claude_code import (
    BASE_URL,
    TTL,
    by_helper,
    kept_for,
    misfit,
    settings_paths,
)
from credward.cli.setup.claude_code_merged import Level, Merged, read_merged
from credward.cli.setup.recognising import recognised
from credward.config import CredentialConfig
from credward.errors import Kind
from credward.paths import environment
from credward.policy.base_url import listed
from credward.policy.destinations import CLIENTS, is_yes, switched_on

__all__ = ["check_claude_code"]

_CHECK = "Claude Code"
_HOME = "CLAUDE_CONFIG_DIR"
_LOGIN_ONLY = ("forceLoginMethod", "forceLoginOrgUUID")
_SWITCHES = {
    each.switch: each.switch.replace("_USE_", "_SKIP_") + "_AUTH" for each in CLIENTS if each.switch
}
# What a repository could set so that a helper in Claude Code finds another daemon or program.
_LEADING = ("CREDWARD_", "XDG_", "LD_", "HOME", "PATH")


def check_claude_code(known: Known) -> Iterator[Finding]:
    """Report what the settings files, merged as Claude Code does, do to this credential."""
    known.merged = merged = known.merged or read_merged(environment(), Path.cwd(), known.settings)
    for level in merged.levels:
        if level.fault:
            yield fail(_CHECK, level.fault, Kind.FIX_CONFIGURATION)
    known.astray = merged.helper is not None or any(level.fault for level in merged.levels)
    if merged.helper is not None:
        yield from _before_the_helper(known, merged)
    credential = known.credential
    if credential is None or credential.meaning.kind == "aws":
        return
    known.what = what_to_set_up(known, credential, merged)
    if merged.helper is None:
        # Set-up refuses a file that cannot be read.
        if not any(level.fault for level in merged.levels):
            yield from _not_set_up(known, credential, merged)
        return
    line, level = merged.helper
    yield from _line(known, credential, line, level)
    if known.set_up:
        yield from check_destination(credential, merged, known.what)
        yield from _cache_time(known, credential, merged)


def _not_set_up(known: Known, credential: CredentialConfig, merged: Merged) -> Iterator[Finding]:
    """Report it; it is a fault if it was set up, or a request from this shell would be refused."""
    if not by_helper(credential):
        return
    command = f"run credward setup claude-code {known.what}"
    environ = merged.environment()
    if (moved := _moved_away(merged)) is not None:
        known.astray = True
        text = f"{_HOME} is set, so Claude Code reads {moved}, which has no helper: "
        text += f"unset {_HOME}, or {command}"
        yield fail(_CHECK, text, Kind.FIX_CONFIGURATION, fix_for(known.what, None))
        return
    if (left := _left_over(credential, merged)) is not None:
        known.astray = True
        variable, level = left
        text = f"{level.path} sets {variable}, but no settings file has a helper: "
        text += set_up_again(known.what, level)
        yield fail(_CHECK, text, Kind.FIX_CONFIGURATION, fix_for(known.what, level))
        return
    refused = denial_of(credential, environ)
    if refused is None:
        yield warn(_CHECK, f"has no helper: {command}")
    elif not switched_on(environ) and not goes_to(credential, environ):
        text = (
            f"has no helper, and this shell does not name {listed(credential.base_urls)}, which "
            f'"{credential.name}" is for: {command}'
        )
        yield fail(_CHECK, text, Kind.DENIED, fix_for(known.what, None))
    else:
        yield fail(_CHECK, f'has no helper, and "{credential.name}" {refused}', Kind.DENIED)


def _moved_away(merged: Merged) -> Path | None:
    """Return the user's file that a variable names, if the usual one is set up and not that."""
    if not merged.shell.get(_HOME):
        return None
    usual = settings_paths({**merged.shell, _HOME: ""}, Path.cwd())["user"]
    meant = settings_paths(merged.shell, Path.cwd())["user"]
    return meant if usual != meant and recognised(usual) is not None else None


def _left_over(credential: CredentialConfig, merged: Merged) -> tuple[str, Level] | None:
    """Return a variable of a set-up whose helper is gone, and where it is; None if there is none.

    Others set a base URL too, but that of this credential is of no use without its helper.
    """
    if credential.base_urls and not goes_to(credential, merged.environment()):
        return None
    names = (BASE_URL[1], TTL[1]) if credential.base_urls else TTL[1:]
    found = [(name, merged.setter(name)) for name in names]
    return next(((name, level) for name, level in found if level is not None), None)


def _line(known: Known, credential: CredentialConfig, line: str, level: Level) -> Iterator[Finding]:
    """Report whose helper runs, and for which credential."""
    if known.helper is None or known.config is None:
        return
    again = set_up_again(known.what, level)
    fault = fault_of(
        line,
        known.helper,
        known.config,
        credential,
        again=again,
        replacing=set_up_again(known.what, level, " --replace"),
        unnamed=known.unnamed,
    )
    environ = known.merged.environment() if known.merged is not None else {}
    if fault is None and (problem := misfit(credential, environ)) is not None:
        fault = Fault(f'runs this helper, but "{credential.name}" {problem}')
    if fault is None:
        known.set_up, known.line = True, line
        yield ok(_CHECK, f"{level.path} names this helper")
        if not Path(program_of(line) or "/").is_absolute():
            text = f"{level.path} names it without its directory, so it may not be found: {again}"
            yield warn(_CHECK, text)
        return
    known.set_up = fault.set_up_again
    fix = fix_for(known.what, level) if fault.set_up_again else ()
    yield fail(_CHECK, f"{level.path} {fault.text}", Kind.FIX_CONFIGURATION, fix)


def _before_the_helper(known: Known, merged: Merged) -> Iterator[Finding]:
    """Report what Claude Code uses instead of the helper's token, or sends beside it."""
    kind = Kind.FIX_CONFIGURATION
    for name in RIVALS:
        if merged.shell.get(name):
            text = f"{name} is set in this shell and {sent_instead(name)}: unset {name}"
            yield fail(_CHECK, text, kind)
        for level in merged.levels:
            if level.variables.get(name):
                text = f"{level.path} sets {name}, which is {sent_instead(name)}: {remove(level)}"
                yield fail(_CHECK, text, kind)
    environ = merged.environment()
    for switch, skipped in _SWITCHES.items():
        if is_yes(environ.get(switch, "")) and not is_yes(environ.get(skipped, "")):
            # Then requests have another address too, which needs no line of its own.
            known.broken.add(Kind.DENIED)
            text = f"{where(merged, switch)}, so Claude Code does not use the helper: "
            yield fail(_CHECK, text + unset(merged, switch), kind)
    for level in merged.levels:
        for name in _LOGIN_ONLY:
            if level.name == "managed" and level.content.get(name):
                text = f"{level.path} sets {name}, which blocks every helper: {remove(level)}"
                yield fail(_CHECK, text, kind)
        for name in level.variables:
            if level.of_the_folder and name.startswith(_LEADING):
                text = f"{level.path} sets {name}, which may lead to another daemon or program: "
                yield fail(_CHECK, text + remove(level), Kind.DENIED)


def _cache_time(known: Known, credential: CredentialConfig, merged: Merged) -> Iterator[Finding]:
    """Report if Claude Code would keep a token longer than it lasts."""
    name = TTL[1]
    environ = merged.environment()
    level, value = merged.setter(name), environ.get(name, "")
    again, fix = set_up_again(known.what, level), fix_for(known.what, level)
    if value and not (value.isascii() and value.isdecimal() and int(value) > 0):
        text = f"{where(merged, name)} to something that is not a number of milliseconds: {again}"
        yield fail(_CHECK, text, Kind.FIX_CONFIGURATION, fix)
        return
    listed_now = known.statuses.credentials if known.statuses else []
    life = next((each.life for each in listed_now if each.name == credential.name), None)
    kept = kept_for(environ)
    if life is not None and kept > life / 2:
        text = (
            f"keeps a token for {format_duration(kept)}, but the token may expire after "
            f"{format_duration(round(life / 2))}: {again}"
        )
        yield fail(_CHECK, text, Kind.FIX_CONFIGURATION, fix)
