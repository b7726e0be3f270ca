"""A sink that is a profile of Anthropic's SDKs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from credward.config import SinkConfig
from credward.errors import BrokerError
from credward.sinks.anthropic_profile import AnthropicProfile
from unit.sinks.rig import CREDENTIAL, bearer_token, own_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return own_folder(tmp_path) / "anthropic"


@pytest.fixture
def sink(folder: Path) -> AnthropicProfile:
    return AnthropicProfile(
        SinkConfig(credential="given", path=folder, format="anthropic-profile", profile="agent")
    )


def write(sink: AnthropicProfile, text: str = "tok") -> None:
    sink.write(sink.shaped(bearer_token(text), CREDENTIAL, 0.0), CREDENTIAL)


def test_the_layout_and_the_modes_are_those_that_the_sdks_demand(
    folder: Path, sink: AnthropicProfile
) -> None:
    before = os.umask(0o022)
    try:
        write(sink)
    finally:
        os.umask(before)
    found = {
        str(each.relative_to(folder)): each.stat().st_mode & 0o777 for each in folder.rglob("*")
    }

    assert found == {
        "configs": 0o755,
        "configs/agent.json": 0o644,
        "credentials": 0o700,
        "credentials/agent.json": 0o600,
    }
    config = json.loads((folder / "configs/agent.json").read_text())
    assert config["base_url"] == "https://api.example.com"
    assert json.loads((folder / "credentials/agent.json").read_text())["access_token"] == "tok"


def test_only_the_token_is_rewritten(folder: Path, sink: AnthropicProfile) -> None:
    with pytest.raises(FileNotFoundError):
        sink.there()
    write(sink)
    assert sink.there()
    config = folder / "configs/agent.json"
    before = config.stat().st_ino
    write(sink, "tok2")

    assert config.stat().st_ino == before
    assert "tok2" in (folder / "credentials/agent.json").read_text()


def test_both_files_go_and_others_stay(folder: Path, sink: AnthropicProfile) -> None:
    write(sink)
    (folder / "configs/mine.json").write_text("{}")
    sink.remove()
    sink.remove()

    assert [each.name for each in folder.rglob("*.json")] == ["mine.json"]


def test_a_removal_makes_no_folder(folder: Path, sink: AnthropicProfile) -> None:
    folder.mkdir(mode=0o700)
    sink.remove()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("where", ["configs", "credentials"])
def test_a_profile_of_somebody_else_is_refused(
    folder: Path, sink: AnthropicProfile, where: str
) -> None:
    sink.check(ours=False)
    (folder / where / "agent.json").write_text("{}")
    sink.check(ours=True)
    with pytest.raises(BrokerError, match="was not written by credward"):
        sink.check(ours=False)
