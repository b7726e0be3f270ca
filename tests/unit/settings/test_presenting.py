"""To whom secrets are shown."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings import aws, entra, gcp, oauth, static, vault
from credward.settings.presenting import presented_to
from credward.settings.references import Reference

STORE = Reference(store="key")
OAUTH = {"issuer": "https://login.example.com", "client_id": "c", "client_secret": STORE}


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of somebody else's provider, which say nothing about it."""

    server: str = "https://a.example"
    style: str = "plain"


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (
            oauth.Settings(**OAUTH, scope="x"),
            {
                "issuer", "token_endpoint", "authorization_endpoint",
                "device_authorization_endpoint", "revocation_endpoint", "client_id",
            },
        ),
        (
            entra.Settings(
                tenant="t.com", client_id="app", scope="api://x/.default", client_secret=STORE
            ),
            {"tenant", "authority", "cloud", "client_id"},
        ),
        (gcp.Settings(client_id="c", client_secret=STORE), {"client_id"}),
        (
            vault.Settings(address="https://v.example", token=STORE),
            {"address", "namespace", "auth_method", "auth_mount"},
        ),
        (
            aws.Settings(source=STORE, role_arn="arn:aws:iam::123456789012:role/r", region="eu-central-1"),
            {"role_arn", "chain", "session_policy", "policy_arns"},
        ),
        (static.Settings(secret=STORE, kind="api-key"), set()),
        (Foreign(), {"server", "style"}),
    ],
)  # fmt: skip
def test_server_and_client(settings, names):
    """As plain words; of settings that do not say which these are, all."""
    words = presented_to(settings)

    assert words.keys() == names
    msgspec.json.encode(words)
