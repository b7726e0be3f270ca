"""Keys in shell files: found where a shell would set them, and only if they are written out."""

from __future__ import annotations

from pathlib import Path

import pytest

from canaries import canary
from credward.cli.shell_files import find_keys, gives, muted

KEY = canary("shell")


@pytest.mark.parametrize(
    ("line", "alone"),
    [
        ("export ANTHROPIC_API_KEY={}", True),
        ('export ANTHROPIC_API_KEY="{}"', True),
        ("export ANTHROPIC_API_KEY='{}'  # work", True),
        ("  export ANTHROPIC_API_KEY={}", True),
        ("ANTHROPIC_API_KEY={}", True),
        ("ANTHROPIC_API_KEY={}; export ANTHROPIC_API_KEY", True),
        ("declare -x ANTHROPIC_API_KEY={}", True),
        ("export PATH=/x ANTHROPIC_API_KEY={}", False),
        ("[ -n x ] && export ANTHROPIC_API_KEY={}", False),
        ("ANTHROPIC_API_KEY={} claude", False),
        ("set -gx ANTHROPIC_API_KEY {}", True),
        ("set -U -x ANTHROPIC_API_KEY '{}' # mine", True),
        ("set -gx ANTHROPIC_API_KEY {}; set y", False),
    ],
)
def test_a_key_is_found_as_the_shell_has_it(tmp_path: Path, line: str, alone: bool) -> None:
    """Quotes and comments are not part of it."""
    fish = line.lstrip().startswith("set ")
    path = tmp_path / (".config/fish/config.fish" if fish else ".zshrc")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# first\n" + line.format(KEY) + "\n")
    (found,) = find_keys(tmp_path)

    assert (found.variable, found.number, found.path) == ("ANTHROPIC_API_KEY", 2, path)
    assert found.value.reveal() == KEY
    assert found.alone == alone
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    "line",
    [
        "# export ANTHROPIC_API_KEY={}",
        "export ANTHROPIC_API_KEY=$(op read op://work/key)",
        'export ANTHROPIC_API_KEY="$OTHER_LONG_NAME"',
        "export ANTHROPIC_API_KEY=`cat /etc/some-file`",
        "export ANTHROPIC_API_KEY=",
        "unset ANTHROPIC_API_KEY",
        "export ANTHROPIC_API_KEY='{}",
        "export MY_ANTHROPIC_API_KEY={}",
        "echo ANTHROPIC_API_KEY",
        "set -e ANTHROPIC_API_KEY",
    ],
)
def test_what_is_no_key_is_not_found(tmp_path: Path, line: str) -> None:
    """Neither a comment nor what a shell would compute."""
    (tmp_path / ".bashrc").write_text(line.format(KEY))

    assert list(find_keys(tmp_path)) == []


def test_a_linked_file_counts_once_and_an_odd_one_not(tmp_path: Path) -> None:
    """Dotfile managers link; a file in another encoding is nobody's error here."""
    (tmp_path / "dotfiles").write_text(f"export OPENAI_API_KEY={KEY}\n")
    (tmp_path / ".bashrc").symlink_to("dotfiles")
    (tmp_path / ".profile").symlink_to(".bashrc")
    (tmp_path / ".zshrc").write_bytes(b"export OPENAI_API_KEY=\xff\xff\xff\xff\xff\xff\xff\xff")

    assert [each.variable for each in find_keys(tmp_path)] == ["OPENAI_API_KEY"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("export A={}", "# export A=…"),
        ("\texport A='{}'  # x", "\t: # export A='…'  # x"),
    ],
)
def test_a_muted_line_has_no_key_and_is_still_a_command_in_a_block(
    line: str, expected: str
) -> None:
    """`if …; then` without a command would be an error of the shell."""
    assert muted(line.format(KEY), KEY) == expected


@pytest.mark.parametrize(
    ("line", "good"),
    [
        ("export OPENAI_API_KEY='{}'", True),
        ("set -gx OPENAI_API_KEY {} # mine", True),
        ("export OPENAI_API_KEY={}>/x", False),
        ("export OPENAI_API_KEY={} PATH=/x", False),
        ("# {}", False),
    ],
)
def test_a_line_gives_a_key_and_nothing_else(line: str, good: bool) -> None:
    """It is what a line with a key from elsewhere must be."""
    assert gives(line.format(KEY), KEY) == good
    assert not gives(line.format(f"{KEY};x"), KEY)


@pytest.mark.parametrize(
    "value", ["sk-00000;id", "sk-00000 x", "$(id)0000", ">/etc/passwd", "a\nb"]
)
def test_no_value_becomes_a_command(value: str) -> None:
    """Without quotes around it, a shell would obey."""
    assert not gives(f"export OPENAI_API_KEY={value}", value)
