"""What would count before a door of `credward run`, by the rules of each SDK.

Variables of the caller are not passed on; of files there is only a warning, for they may have other
uses. AWS SDKs and Tools Reference Guide, "Standardized credential providers"; google-auth,
"Application Default Credentials"; azure-identity, "DefaultAzureCredential".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from credward.named_files import read_text

__all__ = ["files_before", "rivals_of"]

_AWS_KEYS = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_CREDENTIAL_EXPIRATION",
    }
)
_AWS_PROFILES = frozenset({"AWS_PROFILE", "AWS_DEFAULT_PROFILE"})
_AWS = (
    _AWS_KEYS
    | _AWS_PROFILES
    | {
        "AWS_ROLE_ARN",
        "AWS_ROLE_SESSION_NAME",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
    }
)
_AZURE = frozenset(
    {
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_FEDERATED_TOKEN_FILE",
        "AZURE_USERNAME",
        "AZURE_PASSWORD",
        "AZURE_TOKEN_CREDENTIALS",
        "IDENTITY_SERVER_THUMBPRINT",
        "IMDS_ENDPOINT",
        "MSI_ENDPOINT",
        "MSI_SECRET",
    }
)
_RIVALS: Mapping[str, frozenset[str]] = {
    "aws-container": _AWS,
    "aws-imds": _AWS
    | {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_EC2_METADATA_DISABLED",
        "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    },
    "gce": frozenset(
        {
            "GOOGLE_APPLICATION_CREDENTIALS",
            "CLOUDSDK_AUTH_ACCESS_TOKEN",
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE",
            "GCE_METADATA_ROOT",
            "METADATA_SERVER_DETECTION",
            "NO_GCE_CHECK",
        }
    ),
    "azure-app-service": _AZURE,
    "azure-imds": _AZURE | {"IDENTITY_ENDPOINT", "IDENTITY_HEADER"},
    "http": frozenset({"CREDWARD_SOCKET"}),
    # Of a token in a variable only that itself counts, but for keys of AWS, as below.
    "env": frozenset(),
}
# What makes a profile a source of keys.
_SOURCES = frozenset(
    {
        "aws_access_key_id",
        "credential_process",
        "login_session",
        "role_arn",
        "sso_account_id",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    }
)


def rivals_of(door: str, variables: Collection[str]) -> frozenset[str]:
    """Return what counts before the *variables* of *door* in a program that reads both.

    They themselves are not among these.
    """
    found = _RIVALS[door]
    if "AWS_ACCESS_KEY_ID" in variables:
        # An old session token does not go with new keys.
        found |= _AWS_KEYS | _AWS_PROFILES
    return found - frozenset(variables)


def files_before(doors: frozenset[str], environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a warning for each file that SDKs read before one of *doors*."""
    if doors & {"aws-container", "aws-imds"}:
        for variable, usual in (
            ("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
            ("AWS_CONFIG_FILE", "~/.aws/config"),
        ):
            file = environ.get(variable) or usual
            if _has_default_keys(Path(file).expanduser()):
                yield (
                    f"warning: AWS programs take the profile default of {file} before the "
                    "endpoint: give it another name, or remove it"
                )
    if "gce" in doors:
        folder = environ.get("CLOUDSDK_CONFIG") or "~/.config/gcloud"
        file = f"{folder}/application_default_credentials.json"
        if Path(file).expanduser().exists():
            yield f"warning: Google's SDKs take {file} before the endpoint: move it away"


def _has_default_keys(file: Path) -> bool:
    from configparser import Error, RawConfigParser

    parsed = RawConfigParser(default_section="", strict=False)
    with suppress(OSError, UnicodeDecodeError, Error):
        parsed.read_string(read_text(file))
        return parsed.has_section("default") and not _SOURCES.isdisjoint(parsed["default"])
    return False
