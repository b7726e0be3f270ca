"""The endpoint that a set-up leads to: with a fixed port, else what to add, which is valid."""

from pathlib import Path

import pytest

from credward.cli.setup.endpoints import endpoint_for, find_endpoint, leading_to
from credward.cli.start import paths
from credward.config import Config, load_config
from credward.errors import BrokerError

TEXT = """\
[credentials.one]
provider = "gcp"

[credentials.two]
provider = "gcp"

[credentials.keys]
provider = "aws"
profile = "x"

[credentials.more]
provider = "aws"
profile = "y"
"""
MANY = TEXT + "".join(
    f'\n[[endpoints]]\ndoor = "{door}"\ncredentials = {names}\n{port}'
    for door, names, port in (
        ("gce", '["two"]', ""),
        ("gce", '["one", "two"]', "port = 9911\n"),
        ("aws-container", '["keys", "more"]', "port = 9912\n"),
        ("azure-app-service", '["one"]', "port = 9914\n"),
    )
)


@pytest.fixture
def config(config_file: Path) -> Config:
    config_file.write_text(MANY)
    return load_config(paths())


def test_only_a_fixed_port_counts(config: Config) -> None:
    """A chosen one is another after each start; at most doors only the first one is meant."""
    one, two = config.credentials["one"], config.credentials["two"]

    found = find_endpoint(config, one, ["azure-imds", "gce"])
    assert found is not None
    assert found.port == 9911
    assert find_endpoint(config, two, ["gce"]) is None
    assert find_endpoint(config, one, ["aws-container"]) is None


def test_one_of_several_in_the_container_has_a_path(config: Config) -> None:
    """And the file with the secret, not the secret."""
    endpoint = endpoint_for(config, config.credentials["more"], ["aws-container"])
    found = leading_to(endpoint, "more")

    assert found["AWS_CONTAINER_CREDENTIALS_FULL_URI"] == "http://127.0.0.1:9912/more"
    token = paths().state_dir / "endpoints/aws-container-9912.token"
    assert found["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] == str(token)


def test_a_secret_without_a_file_is_read_by_the_shell(config: Config) -> None:
    """Its path is put where the shell reads it."""
    endpoint = endpoint_for(config, config.credentials["one"], ["azure-app-service"])
    found = leading_to(endpoint, "one", secret="<{}>")

    token = paths().state_dir / "endpoints/azure-app-service-9914.token"
    assert found["IDENTITY_HEADER"] == f"<{token}>"


def test_what_is_to_be_added_is_valid(
    config: Config, config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines that are printed, with a port that is free, are all that is missing."""
    two = config.credentials["two"]
    with pytest.raises(BrokerError, match="run credward config edit") as refused:
        endpoint_for(config, two, ["gce"])
    lines = capsys.readouterr().err.partition("config.toml:\n")[2]
    config_file.write_text(config_file.read_text() + lines)
    found = endpoint_for(load_config(paths()), two, ["gce"])

    assert refused.value.kind.exit_code == 78
    assert found.port == 9913
