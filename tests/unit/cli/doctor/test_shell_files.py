"""Keys in files of the shell."""

import pytest

from credward.cli.doctor.shell_files import keys_in


@pytest.mark.parametrize(
    "line",
    [
        "export ANTHROPIC_API_KEY=sk-1",
        "ANTHROPIC_API_KEY='sk-1'",
        "  [ -n x ] && export A=1 ANTHROPIC_API_KEY=$(cat key)",
        "alias c='ANTHROPIC_API_KEY=sk-1 claude'",
        "set -gx ANTHROPIC_API_KEY sk-1",
        "set -x -g ANTHROPIC_API_KEY (cat key)",
    ],
)
def test_finds_a_line_that_sets_a_key(line: str) -> None:
    """In each way that shells have."""
    assert list(keys_in(f"# x\n{line}\n")) == [(2, "ANTHROPIC_API_KEY")]


@pytest.mark.parametrize(
    "line",
    [
        "# export ANTHROPIC_API_KEY=sk-1",
        "unset ANTHROPIC_API_KEY",
        "export ANTHROPIC_API_KEY=",
        'export ANTHROPIC_API_KEY=""',
        "set -e ANTHROPIC_API_KEY",
        "export MY_ANTHROPIC_API_KEY=sk-1",
        "ANTHROPIC_API_KEY_FILE=/x",
        "echo $ANTHROPIC_API_KEY",
    ],
)
def test_does_not_blame_a_line_that_sets_none(line: str) -> None:
    """Comments, and what takes a key away."""
    assert list(keys_in(line)) == []
