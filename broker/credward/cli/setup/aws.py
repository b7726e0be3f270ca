"""`credward setup aws`: a profile of the AWS configuration file whose keys come from the helper.

AWS SDKs and Tools Reference Guide, "Process credential provider". botocore splits the line as a
POSIX shell does, the SDKs for Go and JavaScript give it to one; so it is quoted for a shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from credward.cli.helper_probe import find_helper
from credward.cli.setup.file_plan import Wish
from credward.cli.setup.ini_text import get_member
from credward.cli.setup.record import Owner, memory_of_set_ups
from credward.cli.setup.settings_file import read
from credward.cli.setup.tool import SetUpOf, Tool, Wanted
from credward.cli.setup.unreadable import UnreadableError
from credward.config import CredentialConfig
from credward.errors import BrokerError, Kind

__all__ = ["AWS", "PROCESS", "check_keys", "config_file", "profile_of", "profile_wish"]

PROCESS = "credential_process"
# Others would have to be quoted, which not every tool reads.
_NAME = re.compile(r"[A-Za-z0-9._@+-]+")
# Variables with keys, which count before any profile.
_STRONGER = ("AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN")
# Clients that read the file themselves end a value there.
_COMMENTS = (" #", " ;", "\n", "\r")


def config_file(environ: Mapping[str, str]) -> Path:
    """Return the configuration file of AWS's tools."""
    named = environ.get("AWS_CONFIG_FILE") or "~/.aws/config"
    return Path(named).expanduser().absolute()


def profile_of(name: str) -> str:
    """Return the profile for the credential *name*: none that it may take its own keys from."""
    return f"credward-{name}"


def check_keys(credential: CredentialConfig) -> None:
    """Raise `bad-request` if *credential* gives something else than AWS keys."""
    if credential.meaning.kind not in {"aws", None}:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" does not give AWS keys: name one that does, from credward status',
        )


def profile_wish(
    credential: CredentialConfig,
    environ: Mapping[str, str],
    owner: Owner,
    *,
    profile: str | None = None,
    region: str | None = None,
) -> Wish:
    """Return what makes *profile* ask for *credential*; raise `bad-request` if it is another's."""
    check_keys(credential)
    profile, target = profile or profile_of(credential.name), config_file(environ)
    section = profile if profile == "default" else f"profile {profile}"
    if not _NAME.fullmatch(profile):
        raise BrokerError(
            Kind.BAD_REQUEST,
            "--profile is one word of letters, digits and ._@+-: such as credward-bedrock",
        )
    helper = find_helper()
    line = f"{shlex.quote(str(helper))} --format aws-process {credential.name}"
    if any(each in line for each in _COMMENTS):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'AWS tools read a comment in the path "{helper}": install credward elsewhere',
        )
    _refuse_other(target, section, profile)
    members: dict[tuple[str, ...], str] = {(section, PROCESS): line}
    if region := region or credential.meaning.region:
        members[section, "region"] = region
    return Wish(target=target, kind="ini", owner=owner, members=members)


def _rivals(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield what in *environ* counts more than a profile."""
    for name in _STRONGER:
        if environ.get(name):
            yield f"warning: {name} is set here and counts more than a profile: unset {name}"


def _refuse_other(target: Path, section: str, profile: str) -> None:
    """Refuse a profile that somebody else wrote: its keys would be hidden, or ask themselves."""
    text = read(target)
    try:
        found = get_member(text, (section,)) if text.strip() else None
    except UnreadableError:
        # Planning says so.
        return
    record = memory_of_set_ups().load().get(str(target))
    ours = {tuple(each.path) for each in record.changes} if record else set()
    theirs = [key for key in found or {} if (section, key) not in ours]
    if {PROCESS, "sso_session", "sso_start_url", "role_arn", "aws_access_key_id"} & {*theirs}:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{target}" has a profile "{profile}" that is not ours: name another one with '
            "--profile",
        )


def _plan(wanted: Wanted) -> SetUpOf:
    """Return the profile that was asked for."""
    profile = wanted.profile or profile_of(wanted.credential.name)
    wish = profile_wish(
        wanted.credential, wanted.environ, wanted.owner, profile=profile, region=wanted.region
    )
    last = [] if profile == "default" else [f"next: export AWS_PROFILE={shlex.quote(profile)}"]
    if not any(path[1] == "region" for path in wish.members):
        last.append("note: the profile has no region: add --region, or set AWS_REGION")
    return SetUpOf(wishes=(wish,), last=tuple(last))


AWS = Tool(
    name="aws",
    about="""Give AWS tools and SDKs a profile whose keys come from the credential NAME.

    Adds the profile to ~/.aws/config (or AWS_CONFIG_FILE), with credential_process and the region.
    Everything else in the file stays the same; the old file is kept as a backup until --undo.
    """,
    example="credward setup aws bedrock --region eu-central-1",
    plan=_plan,
    rivals=_rivals,
    side_by_side=True,
    options=("profile", "region"),
)
