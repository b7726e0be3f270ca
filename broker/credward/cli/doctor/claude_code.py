"""Claude Code: its settings run our helper for this credential, and nothing comes before it.

`helper` runs the line; here is what the settings say without it, and where. Values of variables are
not shown, they may hold keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from credward.cli.doctor.finding import PATIENCE, Finding, Known, fail, ok, warn
from credward.cli.doctor.helper_line import Fault, fault_of, program_of
from credward.cli.output import format_duration
from credward.cli.setup.claude_code import TTL, kept_for, misfit
from credward.cli.setup.claude_code_merged import Level, Merged, read_merged
from credward.cli.surroundings import report
from credward.config import CredentialConfig
from credward.errors import Kind
from credward.paths import environment
from credward.policy.base_url import check_base_url, listed, written
from credward.policy.client_variables import read_claims, told
from credward.policy.destinations import CLIENTS, claimed, is_yes
from credward.settings.checks import origin_of

__all__ = ["check_claude_code"]

_CHECK = "Claude Code"
_URL = "ANTHROPIC_BASE_URL"
_RIVALS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
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
    if merged.helper is not None:
        yield from _before_the_helper(known, merged)
    credential = known.credential
    if credential is None or credential.meaning.kind == "aws":
        return
    if merged.helper is None:
        # Set-up refuses a file that cannot be read.
        if not any(level.fault for level in merged.levels):
            yield from _not_set_up(credential, merged)
        return
    line, level = merged.helper
    yield from _line(known, credential, line, level)
    if known.set_up:
        yield from _destination(credential, merged)
        yield from _cache_time(known, credential, merged)


def _not_set_up(credential: CredentialConfig, merged: Merged) -> Iterator[Finding]:
    """Report it; it is a fault if a request from this shell would be refused."""
    if misfit(credential) is not None:
        return
    command = f"run credward setup claude-code {credential.name}"
    environ = merged.environment()
    refused = _denial(credential, environ)
    if refused is None:
        yield warn(_CHECK, f"has no helper: {command}")
    elif not _is_listed(credential, read_claims(told(environ)).base_url):
        text = (
            f"has no helper, and this shell does not name {listed(credential.base_urls)}, which "
            f'"{credential.name}" is for: {command}'
        )
        yield fail(_CHECK, text, Kind.DENIED, ("setup", "claude-code", credential.name))
    else:
        yield fail(_CHECK, f'has no helper, and "{credential.name}" {refused}', Kind.DENIED)


def _line(known: Known, credential: CredentialConfig, line: str, level: Level) -> Iterator[Finding]:
    """Report whose helper runs, and for which credential."""
    if known.helper is None or known.config is None:
        return
    again = _again(credential, level)
    fault = fault_of(
        line,
        known.helper,
        known.config,
        credential,
        again=again,
        replacing=_again(credential, level, " --replace"),
        unnamed=known.unnamed,
    )
    if fault is None and (problem := misfit(credential)) is not None:
        fault = Fault(f'runs this helper, but "{credential.name}" {problem}')
    if fault is None:
        known.set_up, known.line = True, line
        yield ok(_CHECK, f"{level.path} names this helper")
        if not Path(program_of(line) or "/").is_absolute():
            text = f"{level.path} names it without its directory, so it may not be found: {again}"
            yield warn(_CHECK, text)
        return
    known.set_up = fault.set_up_again
    again_here = fault.set_up_again and _is_user(level)
    fix = ("setup", "claude-code", credential.name) if again_here else ()
    yield fail(_CHECK, f"{level.path} {fault.text}", Kind.FIX_CONFIGURATION, fix)


def _before_the_helper(known: Known, merged: Merged) -> Iterator[Finding]:
    """Report what Claude Code uses instead of the helper's token, or sends beside it."""
    kind = Kind.FIX_CONFIGURATION
    for name in _RIVALS:
        if merged.shell.get(name):
            text = (
                f"{name} is set in this shell and sent in place of the helper's token: unset {name}"
            )
            yield fail(_CHECK, text, kind)
        for level in merged.levels:
            if level.variables.get(name):
                text = f"{level.path} sets {name}, which is sent in place of the helper's token: "
                yield fail(_CHECK, text + _remove(level), kind)
    environ = merged.environment()
    for switch, skipped in _SWITCHES.items():
        if is_yes(environ.get(switch, "")) and not is_yes(environ.get(skipped, "")):
            # Then requests have another address too, which needs no line of its own.
            known.broken.add(Kind.DENIED)
            text = f"{_where(merged, switch)}, so Claude Code does not use the helper: "
            yield fail(_CHECK, text + _unset(merged, switch), kind)
    for level in merged.levels:
        for name in _LOGIN_ONLY:
            if level.name == "managed" and level.content.get(name):
                text = f"{level.path} sets {name}, which blocks every helper: {_remove(level)}"
                yield fail(_CHECK, text, kind)
        for name in level.variables:
            if level.of_the_folder and name.startswith(_LEADING):
                text = f"{level.path} sets {name}, which may lead to another daemon or program: "
                yield fail(_CHECK, text + _remove(level), Kind.DENIED)


def _destination(credential: CredentialConfig, merged: Merged) -> Iterator[Finding]:
    """Report if the credential must not go where the owner's settings send requests.

    What only the files of the folder do is found by `folder`.
    """
    environ = merged.environment(folder=False)
    if not credential.base_urls and credential.meaning.service is None:
        goes_to = read_claims(told(environ)).base_url
        if goes_to == claimed({}):
            yield warn(
                _CHECK,
                f'requests go to {goes_to}: if "{credential.name}" is for a gateway, add its '
                f"base_url (credward config edit), then run credward setup claude-code "
                f"{credential.name}",
            )
    if (denial := _denial(credential, environ)) is None:
        return
    if _denial(credential, merged.environment()) is None:
        # Observed: a first run sees variables of the user's, given and managed settings only.
        text = (
            "settings of the folder name the base URL; Claude Code tells its helper of these from "
        )
        text += "the second run on, so each session begins with a refusal: run credward setup "
        yield warn(_CHECK, f"{text}claude-code {credential.name}")
    elif _is_listed(credential, read_claims(told(environ)).base_url):
        text = f'an agent of this shell gets nothing, because "{credential.name}" {denial}'
        yield fail(_CHECK, text, Kind.DENIED)
    elif not any(is_yes(environ.get(switch, "")) for switch in _SWITCHES):
        # A switch is reported as such; the address matters only afterwards.
        yield _wrong_base_url(credential, merged, environ)


def _wrong_base_url(
    credential: CredentialConfig, merged: Merged, environ: Mapping[str, str]
) -> Finding:
    only = f'but "{credential.name}" is for {listed(credential.base_urls)} only'
    again = f"run credward setup claude-code {credential.name}"
    fix: tuple[str, ...] = ("setup", "claude-code", credential.name)
    if not environ.get(_URL):
        goes_to = read_claims(told(environ)).base_url
        text = f"no settings file sets {_URL}, so requests go to {goes_to}, {only}: {again}"
        return fail(_CHECK, text, Kind.DENIED, fix)
    level = next(
        (
            each
            for each in reversed(merged.levels)
            if not each.of_the_folder and _URL in each.variables
        ),
        None,
    )
    if level is not None and not _is_user(level):
        again, fix = _again(credential, level), ()
    where = f"{_URL} is set in this shell" if level is None else f"{level.path} sets {_URL}"
    return fail(_CHECK, f"{where} to {_origin(environ)}, {only}: {again}", Kind.DENIED, fix)


def _denial(credential: CredentialConfig, environ: Mapping[str, str]) -> str | None:
    """Return why the credential is not handed out in this environment, None if it is."""
    claims = read_claims(report(environ, PATIENCE))
    return check_base_url(
        credential.base_urls,
        credential.allowed_flags,
        claims.base_url,
        claims.flags,
        name=credential.name,
    )


def _cache_time(known: Known, credential: CredentialConfig, merged: Merged) -> Iterator[Finding]:
    """Report if Claude Code would keep a token longer than it lasts."""
    name = TTL[1]
    environ = merged.environment()
    level, value = merged.setter(name), environ.get(name, "")
    again = f"run credward setup claude-code {credential.name}"
    if level is not None and not _is_user(level):
        again = _again(credential, level)
    fix = ("setup", "claude-code", credential.name) if level is None or _is_user(level) else ()
    if value and not (value.isascii() and value.isdecimal() and int(value) > 0):
        text = f"{_where(merged, name)} to something that is not a number of milliseconds: {again}"
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


def _is_listed(credential: CredentialConfig, base_url: str | None) -> bool:
    allowed = {origin_of(each) for each in credential.base_urls}
    return base_url is not None and origin_of(base_url) in allowed


def _origin(environ: Mapping[str, str]) -> str:
    """Return where requests go, without the path: a URL may hold a password."""
    origin = origin_of(environ[_URL])
    return "an invalid URL" if origin is None else written(origin)


def _is_user(level: Level) -> bool:
    return level.name == "user"


def _again(credential: CredentialConfig, level: Level, replace: str = "") -> str:
    """Return the command that corrects *level*; *replace* is its option for another's helper."""
    command = f"run credward setup claude-code {credential.name}"
    match level.name:
        case "user":
            return f"{command}{replace}"
        case "managed":
            return "ask your administrator"
        case "given":
            return f"{command}{replace} --settings {level.path}"
        case "local":
            return f"remove it there, or {command}{replace} --level local"
        case _:
            return f"remove it there, or {command} --level local"


def _where(merged: Merged, variable: str) -> str:
    level = merged.setter(variable)
    return f"{variable} is set in this shell" if level is None else f"{level.path} sets {variable}"


def _unset(merged: Merged, variable: str) -> str:
    level = merged.setter(variable)
    return f"unset {variable}" if level is None else _remove(level)


def _remove(level: Level) -> str:
    return "ask your administrator" if level.name == "managed" else "remove it there"
