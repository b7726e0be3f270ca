"""Endpoints on loopback, as they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.config import Config, EndpointConfig, Paths, find_paths, load_config
from credward.errors import ConfigErrors

CREDENTIALS = """[credentials.keys]
provider = "aws"
profile = "work"
[credentials.vertex]
provider = "gcp"
"""


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = find_paths({"HOME": str(tmp_path)}, uid=1)
    found.config_file.parent.mkdir(parents=True)
    return found


def load(paths: Paths, text: str) -> Config:
    paths.config_file.write_text(CREDENTIALS + text)
    paths.config_file.chmod(0o600)
    return load_config(paths, paths.config_file)


def test_an_endpoint_has_a_door_and_credentials(paths: Paths) -> None:
    config = load(
        paths,
        '[[endpoints]]\ndoor = "aws-container"\ncredential = "keys"\nport = 9911\n'
        '[[endpoints]]\ndoor = "http"\ncredentials = ["keys", "vertex"]\n',
    )
    path = paths.config_file
    assert config.endpoints == (
        EndpointConfig(door="aws-container", credentials=("keys",), port=9911, origin=f"{path}:6"),
        EndpointConfig(door="http", credentials=("keys", "vertex"), origin=f"{path}:10"),
    )
    assert [each.name for each in config.endpoints] == ["aws-container-9911", "http-keys"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('door = "gcee"\ncredential = "vertex"', '7: endpoints.0.door: no "gcee": one of'),
        ('door = "gce"', "6: endpoints: name one in credential, or several"),
        ('door = "gce"\ncredential = "vertx"', '"vertx" is not a configured credential, perhaps'),
        (
            'door = "gce"\ncredential = "keys"',
            '"keys" is AWS keys, and door gce hands out a bearer',
        ),
        (
            'door = "gce"\ncredential = "vertex"\nport = 70000',
            "9: endpoints.0.port: must be at most",
        ),
        ('door = "gce"\ncredentials = ["vertex", "vertex"]', "a credential is named twice"),
        ('door = "gce"\ncredential = "vertex"\nprot = 1', 'unknown key "prot", perhaps "port"'),
    ],
)
def test_a_wrong_endpoint_is_reported_with_its_place(
    paths: Paths, text: str, expected: str
) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(paths, f"[[endpoints]]\n{text}\n")
    assert expected in caught.value.lines[0]


def test_one_port_is_for_one_endpoint(paths: Paths) -> None:
    one = '[[endpoints]]\ndoor = "gce"\ncredential = "vertex"\nport = 9911\n'
    with pytest.raises(ConfigErrors) as caught:
        load(paths, one + one)
    assert "port 9911 is taken by the endpoint at" in caught.value.lines[0]


def test_endpoints_are_a_list_of_tables(paths: Paths) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(paths, '[endpoints]\ndoor = "gce"\n')
    assert "write [[endpoints]]" in caught.value.lines[0]
