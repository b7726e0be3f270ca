"""A sink that is a profile of Anthropic's SDKs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from credward.config import SinkConfig
from credward.sinks.anthropic_profile import AnthropicProfile
from credward.sinks.ours import Marks, NotOursError
from unit.sinks.rig import CREDENTIAL, bearer_token, own_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return own_folder(tmp_path) / "anthropic"


@pytest.fixture
def sink(folder: Path) -> AnthropicProfile:
    return AnthropicProfile(
        SinkConfig(credential="given", path=folder, format="anthropic-profile", profile="agent")
    )


def write(sink: AnthropicProfile, ours: Marks = (), text: str = "tok") -> Marks:
    """Write a token; return by what both files are known."""
    body = sink.shaped(bearer_token(text), CREDENTIAL, 0.0)
    sink.write(body, CREDENTIAL, ours)
    return sink.marks(body, CREDENTIAL)


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
        sink.holds(())
    ours = write(sink)
    assert sink.holds(ours)
    config = folder / "configs/agent.json"
    before = config.stat().st_ino
    write(sink, ours, "tok2")

    assert config.stat().st_ino == before
    assert "tok2" in (folder / "credentials/agent.json").read_text()


def test_both_files_go_and_others_stay(folder: Path, sink: AnthropicProfile) -> None:
    ours = write(sink)
    (folder / "configs/mine.json").write_text("{}")
    assert not sink.remove(ours)
    assert not sink.remove(ours)

    assert [each.name for each in folder.rglob("*.json")] == ["mine.json"]


def test_a_removal_makes_no_folder(folder: Path, sink: AnthropicProfile) -> None:
    folder.mkdir(mode=0o700)
    sink.remove(())
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("where", ["configs", "credentials"])
def test_a_profile_of_somebody_else_is_refused(
    folder: Path, sink: AnthropicProfile, where: str
) -> None:
    assert sink.check(()) == ()
    (folder / where / "agent.json").write_text("{}")
    for attempt in (sink.check, lambda marks: write(sink, marks)):
        with pytest.raises(NotOursError, match="was written or changed by somebody else"):
            attempt(())
    assert (folder / where / "agent.json").read_text() == "{}"


@pytest.mark.parametrize("where", ["configs", "credentials"])
def test_what_somebody_changed_stays_and_the_other_file_goes(
    folder: Path, sink: AnthropicProfile, where: str
) -> None:
    """A token of ours is not sent where somebody else's configuration says."""
    ours = write(sink)
    assert set(sink.check(ours)) == set(ours)
    (folder / where / "agent.json").write_text("{}")
    for attempt in (sink.check, sink.holds, lambda marks: write(sink, marks), sink.remove):
        with pytest.raises(NotOursError) as caught:
            attempt(ours)
        assert caught.value.message.startswith(f'"{folder / where / "agent.json"}" was')
    assert [str(each.relative_to(folder)) for each in folder.rglob("*.json")] == [
        f"{where}/agent.json"
    ]
