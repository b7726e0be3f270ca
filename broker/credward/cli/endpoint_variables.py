"""Which variables lead a program to an endpoint, as its vendor names them.

AWS SDKs and Tools Reference Guide; google-auth, "compute_engine"; azure-identity,
"ManagedIdentityCredential".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from credward.settings.doors import DoorKind

__all__ = ["REGIONS", "SECRETS", "variables_of"]

# Variables that hold a secret, and not the path of a file with it.
SECRETS = frozenset({"IDENTITY_HEADER"})

# Most SDKs read the first, boto3 and the AWS command line the second.
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")

Variables = Mapping[str, str]


def variables_of(
    door: DoorKind,
    port: int,
    token_file: str,
    secret: Callable[[], str],
    credential: str = "",
    region: str | None = None,
) -> Variables:
    """Return the variables of an endpoint.

    *secret* reads *token_file*, for a protocol that takes no file. *credential*: of several, the
    one that is not the usual one. *region*: of AWS, for what asks the endpoint for keys only.
    """
    address = f"127.0.0.1:{port}"
    here = dict.fromkeys(REGIONS, region) if region else {}
    match door:
        case "aws-container":
            return {
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{address}/{credential}",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_file,
                **here,
            }
        case "aws-imds":
            # Old clients of AWS want the slash.
            return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{address}/", **here}
        case "gce":
            # With the first alone, google-auth for Python looks for the server at its address.
            return {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address}
        case "azure-app-service":
            return {
                "IDENTITY_ENDPOINT": f"http://{address}/msi/token",
                "IDENTITY_HEADER": secret(),
            }
        case "azure-imds":
            return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": f"http://{address}"}
        case "http":
            return {"CREDWARD_URL": f"http://{address}", "CREDWARD_TOKEN_FILE": token_file}
