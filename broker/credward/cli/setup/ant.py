"""`credward setup ant`: a function of the shell that starts `ant` with a fresh token.

`ant` refreshes a profile of its own client only, so it cannot use one that a sink keeps fresh. Each
of its commands is short, and gets what `ant auth print-credentials --env` would give.
"""

from __future__ import annotations

import shlex

from credward.cli.helper_probe import find_helper
from credward.cli.setup.anthropic_sdk import rival_keys
from credward.cli.setup.claude_code import base_url_of
from credward.cli.setup.shells import shell_of
from credward.cli.setup.tool import SetUpOf, Tool, Wanted
from credward.errors import BrokerError, Kind
from credward.settings import anthropic
from credward.settings.services import Service

__all__ = ["ANT"]


def _plan(wanted: Wanted) -> SetUpOf:
    credential = wanted.credential
    service, settings = credential.meaning.service, credential.settings
    if service not in {None, Service.CLAUDE, Service.CLAUDE_LOGIN}:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" is for {service}, not for the Claude API: name another '
            "credential, from credward status",
        )
    if isinstance(settings, anthropic.Settings) and settings.profile is not None:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" is a login that ant keeps itself: run ant profile activate '
            f"{settings.profile}",
        )
    # An API key and a token go into different headers.
    variable = "ANTHROPIC_API_KEY" if service is Service.CLAUDE else "ANTHROPIC_AUTH_TOKEN"
    line = f"{shlex.quote(str(find_helper()))} {credential.name}"
    base_url = base_url_of(credential)
    variables = {"ANTHROPIC_BASE_URL": base_url} if base_url else {}
    shell = shell_of(wanted.environ, wanted.shell_file)
    lines = shell.function("ant", (variable, line), variables)
    return SetUpOf(wishes=(shell.wish(lines, wanted.owner),))


ANT = Tool(
    name="ant",
    about="""Start ant, the tool of the Claude API, with fresh tokens of the credential NAME.

    Adds a function to the file that your shell reads at its start, as one marked block.
    """,
    example="credward setup ant claude",
    plan=_plan,
    rivals=rival_keys,
    options=("shell_file",),
)
