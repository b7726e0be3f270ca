"""`credward setup gcp`: variables that lead Google's SDKs to the metadata endpoint.

google-auth, "Application Default Credentials": a file comes before the metadata server.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from credward.cli.setup.endpoints import endpoint_for, leading_to
from credward.cli.setup.shells import shell_of
from credward.cli.setup.tool import SetUpOf, Tool, Wanted

__all__ = ["GCP"]

_FILE = "GOOGLE_APPLICATION_CREDENTIALS"


def _plan(wanted: Wanted) -> SetUpOf:
    credential = wanted.credential
    endpoint = endpoint_for(wanted.config, credential, ["gce"])
    variables = dict(leading_to(endpoint, credential.name))
    if credential.meaning.project:
        variables["GOOGLE_CLOUD_PROJECT"] = credential.meaning.project
    shell = shell_of(wanted.environ, wanted.shell_file)
    return SetUpOf(wishes=(shell.wish(shell.exports(variables), wanted.owner),))


def _rivals(environ: Mapping[str, str]) -> Iterator[str]:
    if environ.get(_FILE):
        yield f"warning: {_FILE} is set here and counts before the endpoint: unset {_FILE}"
    folder = Path(environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud").expanduser()
    file = folder / "application_default_credentials.json"
    if file.exists():
        yield f"warning: SDKs take {file} before the endpoint: move it away"


GCP = Tool(
    name="gcp",
    title="Google's SDKs",
    about="""Lead Google's SDKs to the metadata endpoint of the credential NAME.

    Adds variables to the file that your shell reads at its start, as one marked block. It needs an
    endpoint with door gce and a fixed port; what to add is printed if it is missing.
    """,
    example="credward setup gcp vertex",
    plan=_plan,
    rivals=_rivals,
    options=("shell_file",),
)
