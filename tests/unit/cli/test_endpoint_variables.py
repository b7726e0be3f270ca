"""What leads a program to an endpoint."""

from __future__ import annotations

from typing import get_args

import pytest

from credward.cli.endpoint_variables import variables_of
from credward.settings.doors import DoorKind

FILE, SECRET = "/var/lib/credward/t.token", "sesame"


def variables(door: DoorKind, credential: str = "") -> dict[str, str]:
    return dict(variables_of(door, 9911, FILE, lambda: SECRET, credential))


@pytest.mark.parametrize("door", get_args(DoorKind))
def test_every_door_has_some(door: DoorKind) -> None:
    """All of them name the port, and no secret but where there is no other way."""
    found = variables(door)
    assert any("9911" in value for value in found.values())
    assert [name for name, value in found.items() if value == SECRET] == (
        ["IDENTITY_HEADER"] if door == "azure-app-service" else []
    )


def test_google_needs_both() -> None:
    """With the name alone, google-auth for Python asks the fixed address."""
    assert set(variables("gce")) == {"GCE_METADATA_HOST", "GCE_METADATA_IP"}


def test_one_of_several_is_named_in_the_path() -> None:
    found = variables("aws-container", "other")
    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:9911/other"


@pytest.mark.parametrize("door", get_args(DoorKind))
def test_a_region_is_for_aws(door: DoorKind) -> None:
    found = variables_of(door, 9911, FILE, lambda: SECRET, region="eu-central-1")
    assert ("AWS_REGION" in found) == door.startswith("aws-")
