"""Claude Code to the Claude API with a token that is not a key: by a profile."""

from pathlib import Path

from credward.cli.setup.ways.choosing import way_to
from credward.cli.setup.ways.way import Asked
from credward.cli.start import paths
from credward.config import load_config
from unit.cli.conftest import Run


def test_the_profile_of_the_sink_is_named(set_up_home: Path) -> None:
    """Without a helper, whose token Claude Code sends without the header that it needs."""
    file = paths().config_file
    with file.open("a") as added:
        added.write('[[sinks]]\ncredential = "claude"\nformat = "anthropic-profile"\npath = "/a"\n')
    config = load_config(paths())
    way = way_to(
        Asked(
            config=config,
            credential=config.credentials["claude"],
            environ={},
            target=set_up_home / "settings.json",
        )
    )

    assert way.variables == {"ANTHROPIC_PROFILE": "claude", "ANTHROPIC_CONFIG_DIR": "/a"}
    assert not way.helper
    assert "ANTHROPIC_API_KEY" in way.rivals


def test_without_a_sink_the_lines_are_printed(run: Run, set_up_home: Path) -> None:
    """And nothing is written."""
    ran = run("setup", "claude-code", "claude", "--yes")

    assert ran.code == 78
    assert '[[sinks]]\ncredential = "claude"\nformat = "anthropic-profile"\n' in ran.err
    assert not (set_up_home / ".claude").exists()
