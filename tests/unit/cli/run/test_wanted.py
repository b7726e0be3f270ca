"""What `--with` asks for, and what excludes what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import click
import pytest

from credward.cli.run.wanted import WORDS, Wanted, check_clashes, complete_wanted, read_wanted
from credward.errors import BrokerError, Kind
from credward.settings.doors import DoorKind

PROVIDERS = {"bedrock": "aws", "vertex": "gcp", "foundry": "entra", "gateway": "oauth"}


def read(*words: str) -> list[str]:
    return [str(each) for each in read_wanted(words, PROVIDERS.__getitem__)]


def test_a_name_alone_takes_the_usual_door_of_its_cloud() -> None:
    """The one that the SDKs of that cloud look for first."""
    assert read("bedrock", "vertex", "foundry") == [
        "bedrock=aws-container",
        "vertex=gce",
        "foundry=azure-app-service",
    ]


def test_every_door_of_the_configuration_and_env_can_be_named() -> None:
    """Of each credential; the daemon says what fits."""
    assert WORDS == (*get_args(DoorKind), "env")
    for door in WORDS:
        assert read(f"any={door}") == [f"any={door}"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["gateway"], '"gateway" (oauth) has no usual door: write --with gateway=DOOR'),
        (["gateway="], "--with needs NAME=DOOR"),
        (["=gce"], "--with needs NAME=DOOR"),
        (["gateway=file"], 'no door "file"'),
        (["a=gce", "b=gce"], "--with a=gce and --with b=gce exclude each other"),
        (["a=aws-imds", "b=aws-container"], "exclude each other"),
        (["a=azure-imds", "b=azure-app-service"], "because of IDENTITY_ENDPOINT"),
    ],
)
def test_what_cannot_be_is_said_at_once(words: Sequence[str], text: str) -> None:
    """Before a port is opened."""
    with pytest.raises(BrokerError) as caught:
        read(*words)

    assert caught.value.kind is Kind.BAD_REQUEST
    assert text in caught.value.message


def test_doors_of_several_clouds_go_together() -> None:
    """Each SDK looks for its own."""
    assert len(read("a=aws-container", "b=gce", "c=azure-app-service", "d=http", "e=env")) == 5


def test_keys_in_variables_exclude_a_door_of_the_same_cloud() -> None:
    """Which is known when the token is there."""
    keys = Wanted(credential="a", door="env"), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    door = (
        Wanted(credential="b", door="aws-container"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    )
    with pytest.raises(BrokerError, match="because of AWS_ACCESS_KEY_ID"):
        check_clashes([door, keys])
    check_clashes([door, (Wanted(credential="a", door="env"), ("ANTHROPIC_AUTH_TOKEN",))])


def test_doors_are_completed_after_the_name() -> None:
    """As one word for the shell."""
    context = click.Context(click.Command("run"))
    option = click.Option(["--with"])
    found = [each.value for each in complete_wanted(context, option, "bedrock=aws")]

    assert found == ["bedrock=aws-container", "bedrock=aws-imds"]
