"""One client in Python, used once for each line on standard input: `using.py KIND`.

A kind is made once, and asked by its own means alone; where its credential comes from is said by the
variables. `SERVICE` is the service that takes the credential. Prints ok, or what went wrong.
"""

from __future__ import annotations

import os
import sys
import urllib.request
from collections.abc import Callable
from typing import Any

SERVICE = os.environ["SERVICE"]
AUDIENCE = "https://app.example.com"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
RESOURCE = "https://vault.azure.net"
ASKED: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "hi"}],
}
Use = Callable[[], object]


def show(token: str) -> None:
    """Show a token to the service."""
    headers = {"Authorization": f"Bearer {token}"}
    urllib.request.urlopen(urllib.request.Request(f"{SERVICE}/whoami", headers=headers)).close()


def broker_key() -> str:
    """Return what the endpoint for containers hands out, over plain HTTP."""
    with open(os.environ["CREDWARD_TOKEN_FILE"]) as file:
        headers = {"Authorization": f"Bearer {file.read()}"}
    url = f"{os.environ['CREDWARD_URL']}/v1/credentials/given/token"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read().decode().strip()


def boto3() -> Use:
    import boto3

    return boto3.Session().client("sts").get_caller_identity


def google_auth() -> Use:
    import google.auth
    from google.auth.transport.requests import AuthorizedSession

    found, _ = google.auth.default(scopes=[SCOPE])
    session = AuthorizedSession(found, max_refresh_attempts=0)
    return lambda: session.get(f"{SERVICE}/whoami").raise_for_status()


def google_auth_pool() -> Use:
    import google.auth.pluggable
    from google.auth.transport.requests import AuthorizedSession

    file = os.environ["GOOGLE_APPLICATION_CREDENTIALS"]
    found = google.auth.pluggable.Credentials.from_file(file).with_scopes([SCOPE])
    session = AuthorizedSession(found, max_refresh_attempts=0)
    return lambda: session.get(f"{SERVICE}/whoami").raise_for_status()


def google_auth_identity() -> Use:
    from google.auth.compute_engine import IDTokenCredentials
    from google.auth.transport.requests import AuthorizedSession, Request

    found = IDTokenCredentials(Request(), AUDIENCE, use_metadata_identity_endpoint=True)
    session = AuthorizedSession(found, max_refresh_attempts=0)

    def use() -> None:
        # Google's sessions keep an identity token until it ends.
        found.refresh(Request())
        session.get(f"{SERVICE}/whoami").raise_for_status()

    return use


def msal() -> Use:
    import msal
    import requests

    identity = msal.SystemAssignedManagedIdentity()
    client = msal.ManagedIdentityClient(identity, http_client=requests.Session())

    def use() -> None:
        found = client.acquire_token_for_client(resource=RESOURCE)
        show(found.get("access_token") or str(found))

    return use


def azure_managed_identity() -> Use:
    from azure.identity import ManagedIdentityCredential

    found = ManagedIdentityCredential()
    return lambda: show(found.get_token(f"{RESOURCE}/.default").token)


def azure_default() -> Use:
    from azure.identity import DefaultAzureCredential

    found = DefaultAzureCredential()
    return lambda: show(found.get_token(f"{RESOURCE}/.default").token)


def anthropic_bedrock() -> Use:
    import anthropic

    client = anthropic.AnthropicBedrock(base_url=SERVICE, max_retries=0)
    return lambda: client.messages.create(**ASKED)


def anthropic_vertex() -> Use:
    import anthropic

    client = anthropic.AnthropicVertex(
        region="global", project_id="project", base_url=SERVICE, max_retries=0
    )
    return lambda: client.messages.create(**ASKED)


def anthropic_foundry() -> Use:
    import anthropic
    from azure.identity import DefaultAzureCredential, get_bearer_token_provider

    provider = get_bearer_token_provider(DefaultAzureCredential(), f"{RESOURCE}/.default")
    client = anthropic.AnthropicFoundry(
        base_url=SERVICE, azure_ad_token_provider=provider, max_retries=0
    )
    return lambda: client.messages.create(**ASKED)


def anthropic_foundry_key() -> Use:
    import anthropic

    def use() -> None:
        # It takes a key when it is made, and keeps it.
        client = anthropic.AnthropicFoundry(base_url=SERVICE, api_key=broker_key(), max_retries=0)
        client.messages.create(**ASKED)

    return use


def anthropic_api() -> Use:
    import anthropic

    def credentials(*, force_refresh: bool = False) -> anthropic.AccessToken:
        return anthropic.AccessToken(broker_key(), 0)

    client = anthropic.Anthropic(base_url=SERVICE, credentials=credentials, max_retries=0)
    return lambda: client.messages.create(**ASKED)


def main() -> None:
    use = globals()[sys.argv[1]]()
    for _ in sys.stdin:
        try:
            use()
            print("ok", flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {error}".replace("\n", " "), flush=True)


if __name__ == "__main__":
    main()
