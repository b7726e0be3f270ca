"""The folder: what an agent that is started here would get, because of a repository's settings."""

from __future__ import annotations

import os
from collections.abc import Iterator

from msgspec.structs import replace

from credward.account import account_home
from credward.cli.doctor.finding import PATIENCE, Finding, Known, fail, ok, warn
from credward.cli.surroundings import folder_body, report
from credward.errors import Kind
from credward.paths import environment
from credward.policy.claude_settings import read_folder
from credward.policy.client_variables import read_claims
from credward.policy.redirects import check_folder, shown
from credward.tokens import Folder

__all__ = ["check_settings_here"]


def check_settings_here(known: Known) -> Iterator[Finding]:
    """Report whether settings files around this folder send the token elsewhere."""
    credential = known.credential
    body = folder_body(PATIENCE)
    if not body or credential is None:
        return
    try:
        found = read_folder(body, home=account_home(os.geteuid()))
    except ValueError as error:
        text = f"the settings files here cannot be checked, {error}: ask in another folder"
        yield fail("folder", text, Kind.BAD_REQUEST)
        return
    own = known.merged.environment(folder=False) if known.merged else environment()
    said = read_claims(report(own, PATIENCE)).variables
    folder = replace(found, variables=tuple(said.items()))
    denial = check_folder(
        credential.base_urls, credential.allowed_flags, folder, name=credential.name
    )
    if denial is not None:
        known.folder_refused = True
        yield fail("folder", f'"{credential.name}" {denial}', Kind.DENIED)
    elif (
        not credential.base_urls
        # AWS keys sign requests, and are sent nowhere.
        and credential.meaning.kind != "aws"
        and (followed := _deciding(folder))
    ):
        text = (
            f'"{credential.name}" is bound to no host, so {shown(followed)} may have its token '
            "sent anywhere: give it a base_url in the configuration"
        )
        yield warn("folder", text)
    elif folder.files:
        yield ok("folder", "no settings file here sends it elsewhere")


def _deciding(folder: Folder) -> str | None:
    """Return the first file that affects where requests go, or None."""
    return next((each.path for each in folder.files if each.variables or each.fault), None)
