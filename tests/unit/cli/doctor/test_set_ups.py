"""What doctor says about the files that set-ups wrote."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run
from unit.cli.setup.conftest import set_up_home

__all__ = ["set_up_home"]


def found(run: Run, name: str, check: str) -> list[tuple[str, str, str | None]]:
    """Return what doctor finds under *check*: the mark, the text and the fix."""
    told = json.loads(run("doctor", name, "--json").out)
    return [
        (each["mark"], each["text"], each["fix"])
        for each in told["findings"]
        if each["check"] == check
    ]


@pytest.mark.parametrize(
    ("tool", "name", "title", "relative"),
    [
        ("aws", "bedrock", "AWS", ".aws/config"),
        ("gcp", "vertex", "Google's SDKs", ".bashrc"),
        ("azure", "foundry", "Azure's SDKs", ".bashrc"),
        ("ant", "key", "ant", ".bashrc"),
    ],
)
def test_what_is_no_longer_there_is_named(
    run: Run, set_up_home: Path, tool: str, name: str, title: str, relative: str
) -> None:
    """With the command that writes it again."""
    file = set_up_home / relative
    assert found(run, name, title) == []
    run("setup", tool, name, "--yes", "--json")
    well = found(run, name, title)
    file.write_text("")
    gone = found(run, name, title)
    again = f"credward setup {tool} {name}"

    assert well == [("ok", f"{file} is as set-up wrote it", None)]
    assert gone == [("fail", f"{file} does not have what set-up wrote there: run {again}", again)]


def test_a_helper_that_is_gone_is_named(run: Run, set_up_home: Path) -> None:
    """In whatever file it is named, quoted or not."""
    helper = set_up_home / "bin/credward-helper"
    for tool, name in (("aws", "bedrock"), ("ant", "key")):
        run("setup", tool, name, "--yes", "--json")
    helper.rename(helper.with_name("other"))

    ((mark, text, _),) = found(run, "bedrock", "AWS")
    file = set_up_home / ".aws/config"
    assert mark == "fail"
    assert text == f"{file} names {helper}, which is gone: run credward setup aws bedrock"
    ((_, text, _),) = found(run, "key", "ant")
    assert f"names {helper}, which is gone" in text


def test_the_files_of_claude_code_count_too(run: Run, set_up_home: Path) -> None:
    """Its settings and the profile beside them; a helper line has checks of its own."""
    run("setup", "claude-code", "bedrock", "--yes", "--json")
    marks = [(mark, text.split()[0]) for mark, text, _ in found(run, "bedrock", "Claude Code")]

    assert marks == [
        ("ok", str(set_up_home / ".claude/settings.json")),
        ("ok", str(set_up_home / ".aws/config")),
    ]


def test_a_set_up_for_nobody_is_named(run: Run, set_up_home: Path) -> None:
    """Its credential was taken out of the configuration by hand."""
    run("setup", "aws", "plain", "--yes", "--json")
    config = set_up_home / "config/credward/config.toml"
    config.write_text(config.read_text().replace("[credentials.plain]", "[credentials.other]"))

    ((mark, text, fix),) = found(run, "bedrock", "AWS")
    assert (mark, fix) == ("fail", None)
    assert text.startswith(f'{set_up_home / ".aws/config"} is set up for "plain", which is not ')
    assert text.endswith(": run credward setup aws --undo")


def test_a_broken_file_is_said(run: Run, set_up_home: Path) -> None:
    """As set-up would say it."""
    run("setup", "aws", "bedrock", "--yes", "--json")
    file = set_up_home / ".aws/config"
    file.write_text("nonsense\n")

    ((mark, text, fix),) = found(run, "bedrock", "AWS")
    assert (mark, fix) == ("fail", None)
    assert text == f"{file} is not a valid AWS configuration at line 1: correct it"
