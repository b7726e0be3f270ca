"""What counts before a door: variables that are not passed on, and files that are named."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.cli.endpoint_variables import variables_of
from credward.cli.run.rivals import files_before, rivals_of
from credward.cli.run.wanted import DOORS


@pytest.mark.parametrize("door", DOORS)
def test_no_door_hides_what_it_sets(door: str) -> None:
    """Its own variables are not among its rivals."""
    ours = () if door == "env" else tuple(variables_of(door, 1, "f", str))  # type: ignore[arg-type]

    assert not rivals_of(door, ours) & set(ours)


def test_other_keys_and_profiles_of_aws_are_not_passed_on_beside_keys() -> None:
    """An old session token does not go with new keys."""
    assert rivals_of("env", ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")) == {
        *("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_CREDENTIAL_EXPIRATION"),
        *("AWS_PROFILE", "AWS_DEFAULT_PROFILE"),
    }
    assert rivals_of("env", ("ANTHROPIC_AUTH_TOKEN",)) == frozenset()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[default]\naws_access_key_id = A\n", True),
        ("[default]\ncredential_process = x\n", True),
        ("[default]\nregion = eu-central-1\n", False),
        ("[other]\naws_access_key_id = A\n", False),
        ("[default\n", False),
        ("", False),
    ],
)
def test_a_default_profile_with_keys_is_named(tmp_path: Path, text: str, named: bool) -> None:
    """SDKs of AWS take it before any endpoint."""
    file = tmp_path / "config"
    file.write_text(text)
    environ = {"AWS_CONFIG_FILE": str(file), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "no")}
    found = list(files_before(frozenset({"aws-imds"}), environ))

    assert [str(file) in each for each in found] == ([True] if named else [])
    assert list(files_before(frozenset({"gce", "http", "env"}), {"CLOUDSDK_CONFIG": "/no"})) == []


def test_the_file_of_google_is_named(tmp_path: Path) -> None:
    """google-auth takes it before the metadata server."""
    (tmp_path / "application_default_credentials.json").write_text("{}")
    environ = {"CLOUDSDK_CONFIG": str(tmp_path)}

    assert len(list(files_before(frozenset({"gce"}), environ))) == 1
    assert list(files_before(frozenset({"azure-imds"}), environ)) == []
