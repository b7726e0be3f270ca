"""N9, and R9 for credential_process: SDKs and command lines as they are, each across one rotation, for the table in the docs.

The service takes what was minted and has not ended; an attempt that it refuses fails the test, and so
does a client that never comes for the next credential.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from fakes.checked_service import CheckedService
from fakes.google_server import Google, serving
from integration.client_modes import (
    APP_SERVICE,
    AZURE_IMDS,
    EXECUTABLE,
    HTTP_CALL,
    HTTP_KEY,
    IDENTITY,
    IMDS,
    IMDS_ANEW,
    METADATA,
    PROCESS,
    REGION,
    ROLE,
    TO_THE_END,
    TOKEN,
    TOKEN_FILE,
    Mode,
    Started,
    World,
)
from integration.client_rows import row, rows
from integration.client_runs import (
    Anew,
    Client,
    Commands,
    aws_cli_1,
    aws_cli_2,
    gcloud,
    in_go,
    in_java,
    in_javascript,
    in_python,
    named,
)
from integration.client_tools import MissingError
from integration.daemon import DaemonFactory
from integration.minting import MintProgram

# A retry would hide that the first attempt was refused.
COMMON = {
    "AWS_MAX_ATTEMPTS": "1", "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "LANG": "C.UTF-8"
}  # fmt: skip

BOTO3 = in_python("boto3", "boto3")
GOOGLE_AUTH = functools.partial(in_python, "google-auth")
AZURE = functools.partial(in_python, "azure-identity")
ANTHROPIC = functools.partial(in_python, "anthropic")
STS_JS = in_javascript("@aws-sdk/client-sts", "sts")
PROVIDERS_JS = in_javascript("@aws-sdk/credential-providers", "credentialProviders")
GOOGLE_JS = functools.partial(in_javascript, "google-auth-library")
AZURE_JS = functools.partial(in_javascript, "@azure/identity")
GO_AWS = in_go("github.com/aws/aws-sdk-go-v2/config", "aws")
GO_OAUTH2 = in_go("golang.org/x/oauth2", "googleDefault")
GO_AZURE = functools.partial(in_go, "github.com/Azure/azure-sdk-for-go/sdk/azidentity")
GO_ANTHROPIC = functools.partial(in_go, "github.com/anthropics/anthropic-sdk-go")
JAVA_STS = in_java("software.amazon.awssdk:sts", "sts")
JAVA_GOOGLE = functools.partial(in_java, "com.google.auth:google-auth-library-oauth2-http")
GO_BEDROCK = named(GO_ANTHROPIC("anthropicBedrock"), "bedrock")
GO_VERTEX = named(GO_ANTHROPIC("anthropicVertex"), "vertex")
AWS_1 = Client("aws CLI v1", aws_cli_1, Commands)
AWS_2 = Client("aws CLI v2", aws_cli_2, Commands)
# botocore keeps keys of this service for up to ten minutes more before it looks again.
BOTO3_ANEW = Client(BOTO3.name, BOTO3.make, Anew)
EVERY_AWS = (TOKEN_FILE, TOKEN, IMDS, PROCESS)
GO_AZURES = (
    named(GO_AZURE("azureManagedIdentity"), "ManagedIdentityCredential"),
    named(GO_AZURE("azureDefault"), "DefaultAzureCredential"),
)
BOTH_AZURE = (APP_SERVICE, AZURE_IMDS)
CASES: tuple[tuple[Client, Mode], ...] = (
    *((client, mode) for client in (AWS_1, AWS_2, STS_JS, PROVIDERS_JS, GO_AWS, JAVA_STS) for mode in EVERY_AWS),
    *((BOTO3, mode) for mode in (TOKEN_FILE, TOKEN, PROCESS)),
    (BOTO3_ANEW, IMDS_ANEW),
    *((client, ROLE) for client in (BOTO3, STS_JS, GO_AWS, JAVA_STS)),
    (GOOGLE_AUTH("google_auth"), METADATA),
    (GOOGLE_AUTH("google_auth_identity"), IDENTITY),
    (GOOGLE_AUTH("google_auth_pool"), EXECUTABLE),
    (GOOGLE_JS("googleAuth"), METADATA),
    (GOOGLE_JS("googleAuthIdentity"), IDENTITY),
    (GOOGLE_JS("googleAuthPool"), EXECUTABLE),
    (GO_OAUTH2, METADATA),
    (GO_OAUTH2, EXECUTABLE),
    (in_go("cloud.google.com/go/compute/metadata", "googleMetadata"), IDENTITY),
    (JAVA_GOOGLE("googleDefault"), METADATA),
    (JAVA_GOOGLE("googleIdentity"), IDENTITY),
    (Client("gcloud", gcloud, Commands), METADATA),
    *(
        (client, mode)
        for client in (
            named(in_python("msal", "msal"), "ManagedIdentityClient"),
            named(AZURE("azure_managed_identity"), "ManagedIdentityCredential"),
            named(AZURE("azure_default"), "DefaultAzureCredential"),
            named(AZURE_JS("azureManagedIdentity"), "ManagedIdentityCredential"),
            named(AZURE_JS("azureDefault"), "DefaultAzureCredential"),
            named(in_java("com.azure:azure-identity", "azureManagedIdentity"), "ManagedIdentityCredential"),
        )
        for mode in BOTH_AZURE
    ),
    *((client, APP_SERVICE) for client in GO_AZURES),
    (named(ANTHROPIC("anthropic_bedrock"), "AnthropicBedrock"), TOKEN_FILE),
    (named(ANTHROPIC("anthropic_bedrock"), "AnthropicBedrock"), PROCESS),
    (named(ANTHROPIC("anthropic_vertex"), "AnthropicVertex"), METADATA),
    (named(ANTHROPIC("anthropic_foundry"), "AnthropicFoundry"), APP_SERVICE),
    (named(ANTHROPIC("anthropic_foundry"), "AnthropicFoundry"), AZURE_IMDS),
    (named(ANTHROPIC("anthropic_foundry_key"), "AnthropicFoundry"), HTTP_KEY),
    (named(ANTHROPIC("anthropic_api"), "Anthropic"), HTTP_CALL),
    (in_javascript("@anthropic-ai/bedrock-sdk", "anthropicBedrock"), TOKEN_FILE),
    (in_javascript("@anthropic-ai/bedrock-sdk", "anthropicBedrock"), PROCESS),
    (in_javascript("@anthropic-ai/vertex-sdk", "anthropicVertex"), METADATA),
    (in_javascript("@anthropic-ai/foundry-sdk", "anthropicFoundry"), APP_SERVICE),
    (in_javascript("@anthropic-ai/foundry-sdk", "anthropicFoundry"), AZURE_IMDS),
    (in_javascript("@anthropic-ai/foundry-sdk", "anthropicFoundryKey"), HTTP_KEY),
    (in_javascript("@anthropic-ai/sdk", "anthropicApi"), HTTP_CALL),
    (GO_BEDROCK, TOKEN_FILE),
    (GO_BEDROCK, PROCESS),
    (GO_VERTEX, METADATA),
)  # fmt: skip
# As `Mode.lasts`, for clients that need another time.
LASTS: dict[tuple[Client, Mode], tuple[float, float]] = {
    # Go's clients of Google ask in the last ten seconds.
    (GO_OAUTH2, METADATA): (13.0, 4.0),
    (GO_OAUTH2, EXECUTABLE): (13.0, 4.0),
    (GO_VERTEX, METADATA): (13.0, 4.0),
    (GO_AWS, IMDS): TO_THE_END,
    (GO_AWS, PROCESS): TO_THE_END,
    (GO_BEDROCK, PROCESS): TO_THE_END,
    # Java's asks at a moment that it draws before the end.
    **{(JAVA_STS, mode): TO_THE_END for mode in (*EVERY_AWS, ROLE)},
}
# What this matrix leaves out, and why: rows as well.
NOT_RUN = (
    *(
        (
            client.name,
            AZURE_IMDS,
            "it knows the address 169.254.169.254 only: use azure-app-service",
        )
        for client in GO_AZURES
    ),
    (
        JAVA_GOOGLE("").name,
        EXECUTABLE,
        "it asks at https only, and the pool of these tests has none",
    ),
    (".NET Azure.Identity", APP_SERVICE, "there is no .NET where these tests run"),
    (".NET Azure.Identity", AZURE_IMDS, "there is no .NET where these tests run"),
    (".NET AWSSDK.Core", TOKEN_FILE, "there is no .NET where these tests run"),
)


@pytest.fixture
def google() -> Iterator[Google]:
    with serving(Google()) as running:
        yield running


def environ_of(
    started: Started, service: CheckedService, more: Mapping[str, str]
) -> dict[str, str]:
    """Return the environment of a client: a home, and what leads it to the daemon."""
    kept = ("HOME", "PATH", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
    return {
        **{name: started.daemon.environment[name] for name in kept},
        **COMMON,
        "CREDWARD_NO_START": "1",
        "SERVICE": service.url,
        "AWS_ENDPOINT_URL_STS": service.url,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER": f"{service.url}/",
        **more,
        **started.variables,
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("client", "mode"),
    CASES,
    ids=[f"{client.name}, {mode.door}, {mode.text}".replace("/", "|") for client, mode in CASES],
)
def test_n9_r9_a_client_across_a_rotation(
    start_daemon: DaemonFactory,
    program: MintProgram,
    google: Google,
    tmp_path: Path,
    client: Client,
    mode: Mode,
    record_property: Callable[[str, object], None],
) -> None:
    """It uses its credential, the next one is minted, and it shows that one without an attempt refused."""
    try:
        command, version, more = client.make()
    except MissingError as error:
        pytest.skip(str(error))
    life, pause = LASTS.get((client, mode), mode.lasts)
    started = mode.start(World(start_daemon, program, tmp_path, google, life))
    with CheckedService(takes=started.takes, keys=started.keys) as service:
        running = client.kind(command, environ_of(started, service, more), tmp_path)
        try:
            said = [running.use()]
            time.sleep(pause)
            started.rotate()
            # Some fetch the next one in the background, while the one that they have is good.
            for _ in range(4):
                said.append(running.use())
                if said[-1] != "ok" or service.seen[-1].credential != service.seen[0].credential:
                    break
                time.sleep(0.2)
        finally:
            running.close()
    story = "\n".join([*said, *map(str, service.seen)])
    assert set(said) == {"ok"}, story
    assert {each.status for each in service.seen} == {200}, story
    assert service.seen[-1].credential != service.seen[0].credential, story
    if mode is HTTP_KEY:
        assert {each.header for each in service.seen} <= {"api-key", "x-api-key"}
    record_property("program", f"{client.name} {version}: {mode.door}, {mode.text}")
    row(client.name, version, mode.door, mode.text, "works")


def test_what_is_not_run_is_said() -> None:
    """A reader sees what was not tried, and why."""
    for client, mode, why in NOT_RUN:
        row(client, "", mode.door, mode.text, f"not run: {why}")


def test_every_case_has_its_row() -> None:
    """As it was seen when the page was written, or as it is left out."""
    known = {(each["client"], each["door"], each["mode"]) for each in rows()}
    wanted = [(client.name, mode) for client, mode in CASES]
    wanted += [(client, mode) for client, mode, _ in NOT_RUN]

    assert {(client, mode.door, mode.text) for client, mode in wanted} <= known
