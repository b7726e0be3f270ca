"""Variables that lead Anthropic's SDKs to a profile."""

from pathlib import Path

import pytest

from credward.cli.setup.anthropic_sdk import ANTHROPIC_SDK
from credward.cli.setup.tool import Wanted
from credward.cli.start import paths
from credward.config import load_config
from unit.cli.conftest import Run


def test_the_profile_of_the_sink_is_named(set_up_home: Path) -> None:
    """In the shell's own words; the folder too, where not every SDK looks."""
    file = paths().config_file
    with file.open("a") as added:
        added.write('[[sinks]]\ncredential = "claude"\nformat = "anthropic-profile"\npath = "/a"\n')
    config = load_config(paths())
    wanted = Wanted(
        config=config,
        credential=config.credentials["claude"],
        environ={"HOME": str(set_up_home), "SHELL": "/bin/zsh"},
        owner=ANTHROPIC_SDK.owner("claude"),
    )
    (wish,) = ANTHROPIC_SDK.plan(wanted).wishes

    assert wish.target == set_up_home / ".zshrc"
    assert wish.members == {
        ("anthropic-sdk",): "export ANTHROPIC_PROFILE=claude\nexport ANTHROPIC_CONFIG_DIR=/a\n"
    }


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [("claude", 78, "[[sinks]]"), ("key", 64, 'credward.credentials("key")')],
)
def test_what_is_missing_is_said(
    run: Run, set_up_home: Path, name: str, code: int, said: str
) -> None:
    """A sink, or another way for what is in no profile."""
    ran = run("setup", "anthropic-sdk", name, "--yes")

    assert ran.code == code
    assert said in ran.err
    assert not (set_up_home / ".bashrc").exists()


def test_a_key_in_the_shell_counts_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said by its name."""
    (line,) = ANTHROPIC_SDK.rivals({"ANTHROPIC_API_KEY": "sesame"})

    assert line.startswith("warning: ANTHROPIC_API_KEY is set here and counts before a profile")
    assert "sesame" not in line
