"""Where the settings of Claude Code send requests, and whether the credential is for there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from credward.cli.doctor.finding import PATIENCE, Finding, fail, warn
from credward.cli.doctor.levels import fix_for, set_up_again, where
from credward.cli.setup.claude_code import BASE_URL
from credward.cli.setup.claude_code_merged import Merged
from credward.cli.surroundings import report
from credward.config import CredentialConfig
from credward.errors import Kind
from credward.policy.base_url import check_base_url, listed, written
from credward.policy.client_variables import read_claims, told
from credward.policy.destinations import claimed, switched_on
from credward.settings.checks import messages_base, origin_of

__all__ = ["check_destination", "denial_of", "goes_to"]

_CHECK = "Claude Code"
_URL = BASE_URL[1]


def check_destination(credential: CredentialConfig, merged: Merged, what: str) -> Iterator[Finding]:
    """Report if the credential must not go where the owner's settings send requests.

    *what* to set up: see `what_to_set_up`. What only the files of the folder do is found by
    `folder`.
    """
    environ = merged.environment(folder=False)
    if not credential.base_urls and credential.meaning.service is None:
        address = read_claims(told(environ)).base_url
        if address == claimed({}):
            yield warn(
                _CHECK,
                f'requests go to {address}: if "{credential.name}" is for a gateway, add its '
                f"base_url (credward config edit), then run credward setup claude-code "
                f"{what}",
            )
    if (denial := denial_of(credential, environ)) is None:
        yield from _wrong_path(credential, merged, what)
        return
    if denial_of(credential, merged.environment()) is None:
        # Observed: a first run sees variables of the user's, given and managed settings only.
        text = (
            "settings of the folder name the base URL; Claude Code tells its helper of these from "
        )
        text += "the second run on, so each session begins with a refusal: run credward setup "
        yield warn(_CHECK, f"{text}claude-code {what}")
    elif goes_to(credential, environ):
        text = f'an agent of this shell gets nothing, because "{credential.name}" {denial}'
        yield fail(_CHECK, text, Kind.DENIED)
    elif not switched_on(environ):
        # A switch is reported as such; the address matters only afterwards.
        yield _wrong_base_url(credential, merged, environ, what)


def _wrong_base_url(
    credential: CredentialConfig, merged: Merged, environ: Mapping[str, str], what: str
) -> Finding:
    only = f'but "{credential.name}" is for {listed(credential.base_urls)} only'
    if not environ.get(_URL):
        address = read_claims(told(environ)).base_url
        text = f"no settings file sets {_URL}, so requests go to {address}, {only}: "
        text += set_up_again(what, None)
        return fail(_CHECK, text, Kind.DENIED, fix_for(what, None))
    level = merged.setter(_URL, folder=False)
    said = f"{where(merged, _URL, folder=False)} to {_origin(environ)}, {only}"
    text = f"{said}: {set_up_again(what, level)}"
    return fail(_CHECK, text, Kind.DENIED, fix_for(what, level))


def _wrong_path(credential: CredentialConfig, merged: Merged, what: str) -> Iterator[Finding]:
    """Report if requests go to the right host, but not to the path that the credential names."""
    environ = merged.environment()
    if not environ.get(_URL) or switched_on(environ):
        return
    there = [each for each in credential.base_urls if origin_of(each) == origin_of(environ[_URL])]
    wanted = [messages_base(each) for each in there]
    if not wanted or environ[_URL].rstrip("/") in wanted:
        return
    level = merged.setter(_URL)
    text = (
        f'{where(merged, _URL)} to another path of that host, but "{credential.name}" is for '
        f"{listed(wanted)}: {set_up_again(what, level)}"
    )
    yield fail(_CHECK, text, Kind.FIX_CONFIGURATION, fix_for(what, level))


def denial_of(credential: CredentialConfig, environ: Mapping[str, str]) -> str | None:
    """Return why the credential is not handed out in this environment, None if it is."""
    claims = read_claims(report(environ, PATIENCE))
    refusal = check_base_url(
        credential.base_urls,
        credential.allowed_flags,
        claims.base_url,
        claims.flags,
        name=credential.name,
        switches=claims.switches,
    )
    return None if refusal is None else refusal.reason


def goes_to(credential: CredentialConfig, environ: Mapping[str, str]) -> bool:
    """Return whether requests under *environ* go to a host that the credential is for."""
    base_url = read_claims(told(environ)).base_url
    allowed = {origin_of(each) for each in credential.base_urls}
    return base_url is not None and origin_of(base_url) in allowed


def _origin(environ: Mapping[str, str]) -> str:
    """Return where requests go, without the path: a URL may hold a password."""
    origin = origin_of(environ[_URL])
    return "an invalid URL" if origin is None else written(origin)
