"""`credward setup anthropic-sdk`: variables that lead Anthropic's SDKs to a profile kept fresh.

`profiles` knows the profile, a sink writes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from credward.cli.setup.profiles import profile_for
from credward.cli.setup.shells import shell_of
from credward.cli.setup.tool import SetUpOf, Tool, Wanted

__all__ = ["ANTHROPIC_SDK", "rival_keys"]

_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def rival_keys(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each variable with a key, which the SDKs take before a profile."""
    for name in _KEYS:
        if environ.get(name):
            yield f"warning: {name} is set here and counts before a profile: unset {name}"


def _plan(wanted: Wanted) -> SetUpOf:
    profile = profile_for(wanted.config, wanted.credential)
    shell = shell_of(wanted.environ, wanted.shell_file)
    return SetUpOf(wishes=(shell.wish(shell.exports(profile.variables), wanted.owner),))


ANTHROPIC_SDK = Tool(
    name="anthropic-sdk",
    about="""Lead Anthropic's SDKs to a profile with fresh tokens of the credential NAME.

    Adds variables to the file that your shell reads at its start, as one marked block. It needs a
    sink with format anthropic-profile; what to add is printed if it is missing.
    """,
    example="credward setup anthropic-sdk claude",
    plan=_plan,
    rivals=rival_keys,
    options=("shell_file",),
)
