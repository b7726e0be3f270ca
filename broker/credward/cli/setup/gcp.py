"""`credward setup gcp`: variables that lead Google's SDKs to the metadata endpoint, or to a file.

google-auth, "Application Default Credentials": a file comes before the metadata server. The file is
for OIDC tokens that a workload identity pool takes (cloud.google.com/iam/docs, "Executable-sourced
credentials").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from credward.cli.helper_probe import find_helper
from credward.cli.setup.endpoints import endpoint_for, leading_to
from credward.cli.setup.file_plan import Wish
from credward.cli.setup.shells import shell_of
from credward.cli.setup.tool import SetUpOf, Tool, Wanted
from credward.cli.start import paths
from credward.errors import BrokerError, Kind

__all__ = ["GCP"]

_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_POOL = re.compile(r"//iam\.googleapis\.com/[A-Za-z0-9_./-]+/providers/[A-Za-z0-9_.-]+")
_IMPERSONATION = (
    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken"
)
# The shortest that they allow.
_PATIENCE_MS = 5000


def _plan(wanted: Wanted) -> SetUpOf:
    credential = wanted.credential
    if wanted.pool is not None:
        return _by_pool(wanted, wanted.pool)
    if wanted.service_account is not None:
        raise BrokerError(Kind.BAD_REQUEST, "--service-account goes with --pool: add that")
    endpoint = endpoint_for(wanted.config, credential, ["gce"])
    variables = dict(leading_to(endpoint, credential.name))
    if credential.meaning.project:
        variables["GOOGLE_CLOUD_PROJECT"] = credential.meaning.project
    shell = shell_of(wanted.environ, wanted.shell_file)
    return SetUpOf(wishes=(shell.wish(shell.exports(variables), wanted.owner),))


def _by_pool(wanted: Wanted, pool: str) -> SetUpOf:
    """Return a configuration of the libraries that runs the helper for the subject token."""
    credential, helper = wanted.credential, str(find_helper())
    if credential.meaning.service is not None or credential.meaning.kind == "aws":
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'"{credential.name}" gives no OIDC token, which a pool takes: leave out --pool, or '
            "name another credential, from credward status",
        )
    if not _POOL.fullmatch(pool):
        raise BrokerError(
            Kind.BAD_REQUEST,
            "--pool is the audience of a provider: such as //iam.googleapis.com/projects/1/"
            "locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
        )
    if helper.split() != [helper]:
        # Not every library reads quotes.
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'Google\'s libraries cannot run "{helper}", because of the blank: install credward '
            "elsewhere",
        )
    members: dict[tuple[str, ...], Any] = {
        ("type",): "external_account",
        ("audience",): pool,
        ("subject_token_type",): "urn:ietf:params:oauth:token-type:jwt",
        ("token_url",): "https://sts.googleapis.com/v1/token",
        ("credential_source",): {
            "executable": {
                "command": f"{helper} --format gcp-executable {credential.name}",
                "timeout_millis": _PATIENCE_MS,
            }
        },
    }
    if wanted.service_account is not None:
        members["service_account_impersonation_url",] = _IMPERSONATION.format(
            wanted.service_account
        )
    file = paths().config_dir / "google" / f"{credential.name}.json"
    variables = {_FILE: str(file), "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}
    shell = shell_of(wanted.environ, wanted.shell_file)
    return SetUpOf(
        wishes=(
            Wish(target=file, kind="json", owner=wanted.owner, members=members),
            shell.wish(shell.exports(variables), wanted.owner),
        )
    )


def _rivals(environ: Mapping[str, str]) -> Iterator[str]:
    if environ.get(_FILE):
        yield f"warning: {_FILE} is set here and counts before the endpoint: unset {_FILE}"
    folder = Path(environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud").expanduser()
    file = folder / "application_default_credentials.json"
    if file.exists():
        yield f"warning: SDKs take {file} before the endpoint: move it away"


GCP = Tool(
    name="gcp",
    about="""Lead Google's SDKs to the metadata endpoint of the credential NAME.

    Adds variables to the file that your shell reads at its start, as one marked block. It needs an
    endpoint with door gce and a fixed port; what to add is printed if it is missing. With --pool
    the credential gives an OIDC token for a workload identity pool, and a file says so.
    """,
    example="credward setup gcp vertex",
    plan=_plan,
    rivals=_rivals,
    options=("pool", "service_account", "shell_file"),
)
