"""Which settings count for a stored secret."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from credward.settings import aws, entra, gcp, oauth, static, vault
from credward.settings.binding import bound_settings, words_of
from credward.settings.network import NetworkSettings
from credward.settings.references import Reference

STORE = Reference(store="key")
ROLE = "arn:aws:iam::123456789012:role/narrow"
AWS = {"source": STORE, "region": "eu-central-1"}
GCP = {"service_account_key": STORE}
VAULT = {"address": "https://v.example", "token": STORE, "path": "secret/llm"}
OAUTH = {"issuer": "https://login.example.com", "client_id": "c", "client_secret": STORE}
ENTRA = {
    "tenant": "t.com", "client_id": "app", "scope": "api://x/.default", "client_secret": STORE,
}  # fmt: skip
BOUNDARY = gcp.AccessBoundaryRule(
    availableResource="//storage.googleapis.com/projects/_/buckets/b",
    availablePermissions=("inRole:roles/storage.objectViewer",),
)


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of somebody else's provider, which free none."""

    server: str = "https://a.example"
    timeout: float = 1.0


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """A setting may have that name; what is written there frees nothing."""

    server: str = "https://a.example"
    free: tuple[str, ...] = ("server",)


@pytest.mark.parametrize(
    ("kind", "words", "more"),
    [
        (aws.Settings, AWS, {"derive": "ecr"}),
        (aws.Settings, AWS, {"derive": "eks", "cluster_name": "x"}),
        (aws.Settings, AWS, {"derive": "bedrock-api-key"}),
        (aws.Settings, AWS, {"role_arn": ROLE}),
        (aws.Settings, {**AWS, "role_arn": ROLE}, {"session_tags": {"a": "b"}}),
        (gcp.Settings, GCP, {"impersonate_service_account": "a@p.iam.gserviceaccount.com"}),
        (gcp.Settings, GCP, {"access_boundary": (BOUNDARY,)}),
        (gcp.Settings, GCP, {"scopes": ("https://www.googleapis.com/auth/cloud-platform",)}),
        (vault.Settings, VAULT, {"path": "secret/root"}),
        (vault.Settings, VAULT, {"path": None}),
        (vault.Settings, VAULT, {"field": "other"}),
        (vault.Settings, VAULT, {"kind": "bearer"}),
        (oauth.Settings, OAUTH, {"scope": "admin"}),
        (oauth.Settings, OAUTH, {"token_endpoint": "https://evil.example/token"}),
        (entra.Settings, ENTRA, {"scope": "api://y/.default"}),
        (NetworkSettings, {}, {"private_hosts": ("corp",)}),
        (NetworkSettings, {}, {"proxy": "http://proxy.example:1"}),
        (Foreign, {}, {"timeout": 2.0}),
        (Named, {}, {"server": "https://b.example"}),
    ],
)
def test_s1_what_is_handed_out_and_who_is_asked(
    kind: type[msgspec.Struct], words: dict[str, Any], more: dict[str, Any]
) -> None:
    """Whichever of the two comes first, the other one is other settings."""
    before, after = (bound_settings(kind(**each)) for each in (words, {**words, **more}))

    assert before != after
    msgspec.json.encode([before, after])


@pytest.mark.parametrize(
    ("kind", "words", "more"),
    [
        (static.Settings, {"secret": STORE}, {"kind": "api-key", "timeout": 3.0}),
        (aws.Settings, {**AWS, "role_arn": ROLE}, {"duration_seconds": 900}),
        (vault.Settings, VAULT, {"refresh_interval": 7.0}),
        (oauth.Settings, OAUTH, {"lifetime": 60.0}),
    ],
)
def test_s1_shape_and_time_are_free(
    kind: type[msgspec.Struct], words: dict[str, Any], more: dict[str, Any]
) -> None:
    """They change nothing about what a token is good for."""
    assert bound_settings(kind(**words)) == bound_settings(kind(**words, **more))


def test_what_is_not_set_does_not_count() -> None:
    """So that a version with one more setting leaves what is bound as it is, also within another."""
    assert words_of(gcp.Settings(access_boundary=(BOUNDARY,))) == {
        "access_boundary": [
            {
                "availableResource": BOUNDARY.availableResource,
                "availablePermissions": ["inRole:roles/storage.objectViewer"],
            }
        ]
    }
    assert words_of(vault.Settings(token=STORE, data={})) == {"token": {"store": "key"}}
