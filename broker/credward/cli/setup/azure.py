"""`credward setup azure`: variables that lead Microsoft's SDKs to the identity endpoint.

azure-identity, "DefaultAzureCredential" and "ManagedIdentityCredential"; msal, "Managed identity".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from credward.cli.setup.endpoints import endpoint_for, leading_to
from credward.cli.setup.shells import READ_FILE, shell_of
from credward.cli.setup.tool import SetUpOf, Tool, Wanted

__all__ = ["AZURE"]

# DefaultAzureCredential tries these first; with the last, clients take us for Service Fabric.
_STRONGER = ("AZURE_CLIENT_SECRET", "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_SERVER_THUMBPRINT")


def _plan(wanted: Wanted) -> SetUpOf:
    credential = wanted.credential
    endpoint = endpoint_for(wanted.config, credential, ["azure-app-service", "azure-imds"])
    shell = shell_of(wanted.environ, wanted.shell_file)
    variables = leading_to(endpoint, credential.name, secret=READ_FILE)
    return SetUpOf(wishes=(shell.wish(shell.exports(variables), wanted.owner),))


def _rivals(environ: Mapping[str, str]) -> Iterator[str]:
    for name in _STRONGER:
        if environ.get(name):
            yield f"warning: {name} is set here and counts before the endpoint: unset {name}"


AZURE = Tool(
    name="azure",
    about="""Lead Azure's SDKs to the identity endpoint of the credential NAME.

    Adds variables to the file that your shell reads at its start, as one marked block. It needs an
    endpoint with door azure-app-service or azure-imds and a fixed port; what to add is printed if
    it is missing.
    """,
    example="credward setup azure foundry",
    plan=_plan,
    rivals=_rivals,
    options=("shell_file",),
)
