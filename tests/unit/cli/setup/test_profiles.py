"""The profile of Anthropic's SDKs: that of the sink, or what to add for one."""

from pathlib import Path

import pytest

from credward.cli.setup.profiles import profile_for
from credward.cli.start import paths
from credward.config import Config, load_config
from credward.errors import BrokerError

FEDERATION = """\
[credentials.claude]
provider = "anthropic"
federation_rule_id = "fdrl_1"
organization_id = "00000000-0000-0000-0000-000000000000"
identity_file = "/run/token"
{more}
[credentials.key]
provider = "anthropic"
api_key = {{ store = "k" }}
"""


def config(file: Path, sinks: str = "", more: str = "") -> Config:
    file.write_text(FEDERATION.format(more=more) + sinks)
    return load_config(paths())


def test_the_sink_says_where_it_is(config_file: Path, home: Path) -> None:
    """Its folder and its name; the base URL only if it is not the usual one."""
    block = '[[sinks]]\ncredential = "claude"\nformat = "{}"\npath = "{}"\n'
    sinks = block.format("token", "/x") + block.format("anthropic-profile", "~/a/")
    found = config(config_file, sinks)
    credential = found.credentials["claude"]

    assert profile_for(found, credential).variables == {
        "ANTHROPIC_PROFILE": "claude",
        "ANTHROPIC_CONFIG_DIR": str(home / "a"),
    }
    named = config(config_file, f'{sinks}profile = "work"\n')
    assert profile_for(named, credential).name == "work"


def test_a_token_of_another_host_is_sent_there(config_file: Path) -> None:
    """Claude Code takes the variable, the SDKs what is in the profile."""
    sinks = '[[sinks]]\ncredential = "claude"\nformat = "anthropic-profile"\npath = "/a"\n'
    found = config(config_file, sinks, 'token_url = "http://127.0.0.1:9/v1/oauth/token"\n')
    profile = profile_for(found, found.credentials["claude"])

    assert profile.variables["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"


def test_without_a_sink_the_lines_are_printed(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a block for the configuration."""
    found = config(config_file)
    with pytest.raises(BrokerError, match="run credward config edit"):
        profile_for(found, found.credentials["claude"])
    block = capsys.readouterr().err.partition("config.toml:\n")[2]

    assert profile_for(config(config_file, block), found.credentials["claude"]).name == "claude"


def test_a_key_is_in_no_profile(config_file: Path) -> None:
    """The SDKs would send it as a token of a login."""
    found = config(config_file)
    with pytest.raises(BrokerError, match=r"credward\.credentials"):
        profile_for(found, found.credentials["key"])
