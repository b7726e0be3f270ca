"""Every tool: shown, confirmed, written once, undone to the byte."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from credward.cli.setup import tools
from credward.cli.setup.titles import TITLES
from unit.cli.conftest import Run
from unit.cli.setup.rig import tree

AWS = """\
# of the team
[default]
region=eu-west-1
s3 =
    signature_version = s3v4

; the end"""
RC = "# mine\n\nalias ll='ls -l'\nif true; then\n\texport A=1\nfi"
# Each tool, one of its credentials, its file and what may be in there.
TOOLS = {
    "aws": ("bedrock", ".aws/config", AWS),
    "gcp": ("vertex", ".bashrc", RC),
    "azure": ("foundry", ".bashrc", RC),
    "ant": ("key", ".bashrc", RC),
}
STATES = ["no directory", "no file", "empty", "rich", "complete", "crlf"]


def prepare(file: Path, state: str, rich: str) -> None:
    """Bring *file* into one of the states."""
    if state == "no directory":
        return
    file.parent.mkdir(exist_ok=True)
    texts = {
        "empty": "",
        "rich": rich,
        "complete": f"{rich}\n",
        "crlf": f"{rich}\n".replace("\n", "\r\n"),
    }
    if state in texts:
        file.write_bytes(texts[state].encode())
        file.chmod(0o640)


def test_every_tool_has_a_title_and_is_tried_here() -> None:
    """But for the one that needs a sink, which has a test of its own."""
    names = {each.name for each in tools.TOOLS}

    assert names == TITLES.keys() - {"claude-code"}
    assert names == TOOLS.keys() | {"anthropic-sdk"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("tool", TOOLS)
def test_undo_leaves_every_byte_as_it_was(
    run: Run, set_up_home: Path, tool: str, state: str
) -> None:
    """From whatever file; the second run finds nothing to do."""
    name, relative, rich = TOOLS[tool]
    file = set_up_home / relative
    prepare(file, state, rich)
    was = tree(set_up_home)
    first = json.loads(run("setup", tool, name, "--yes", "--json").out)
    text = file.read_bytes()
    again = json.loads(run("setup", tool, name, "--yes", "--json").out)
    said = run("setup", tool, "--undo", "--yes")

    assert first["changed"]
    assert text.startswith(was.get(relative) or b"")
    assert (again["changed"], again["backup"], again["diff"]) == (False, None, "")
    assert said.code == 0
    assert tree(set_up_home) == was
    assert not file.exists() or file.stat().st_mode & 0o777 == 0o640
    assert run("setup", tool, "--undo", "--yes").code == 64


SETTINGS = '{\n  "theme": "dark",\n  "env": {"A": "b"},\n  "permissions": {"allow": []}\n}'


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "words",
    [
        ["bedrock"],
        ["bedrock", "--with", "aws-container", "--model", "m", "--small-model", "s"],
        ["short"],
        ["vertex"],
        ["foundry"],
        ["gateway"],
        ["gateway", "--pass-through", "bedrock", "--region", "eu-west-1"],
    ],
    ids=" ".join,
)
def test_undo_of_claude_code_is_exact_whatever_the_service(
    run: Run, set_up_home: Path, words: list[str], state: str
) -> None:
    """In its settings and in the files that it needs besides."""
    for relative, rich in ((".claude/settings.json", SETTINGS), (".aws/config", AWS)):
        prepare(set_up_home / relative, state, rich)
    was = tree(set_up_home)
    first = json.loads(run("setup", "claude-code", *words, "--yes", "--json").out)
    again = json.loads(run("setup", "claude-code", *words, "--yes", "--json").out)
    said = run("setup", "claude-code", "--undo", "--yes")

    assert all(each["changed"] for each in first["files"])
    assert not any(each["changed"] or each["backup"] for each in again["files"])
    assert said.code == 0
    assert tree(set_up_home) == was


@pytest.mark.parametrize("tool", TOOLS)
def test_what_others_wrote_since_stays(run: Run, set_up_home: Path, tool: str) -> None:
    """Only what is ours goes, and the backup is named."""
    name, relative, rich = TOOLS[tool]
    file = set_up_home / relative
    prepare(file, "complete", rich)
    run("setup", tool, name, "--yes", "--json")
    file.write_text("# new\n" + file.read_text())
    ran = run("setup", tool, "--undo", "--yes")

    assert file.read_text() == f"# new\n{rich}\n"
    assert "an earlier state stays, delete it if you do not need it: " in ran.out


@pytest.mark.parametrize("tool", TOOLS)
def test_nothing_is_written_without_a_yes(run: Run, set_up_home: Path, tool: str) -> None:
    """Shown, and refused where nobody can be asked; a dry run only shows."""
    name, relative, _ = TOOLS[tool]
    was = tree(set_up_home)
    asked, dry = run("setup", tool, name), run("setup", tool, name, "--dry-run")

    assert asked.code == 64
    assert "--yes" in asked.err
    assert dry.code == 0
    assert f"+++ {set_up_home / relative} (new)" in dry.out
    assert tree(set_up_home) == was


def test_two_tools_in_one_file_are_undone_one_by_one(run: Run, set_up_home: Path) -> None:
    """In whatever order; the last one leaves what was there."""
    file = set_up_home / ".bashrc"
    for first, last in (("gcp", "ant"), ("ant", "gcp")):
        prepare(file, "rich", RC)
        was = tree(set_up_home)
        run("setup", "gcp", "vertex", "--yes", "--json")
        run("setup", "ant", "key", "--yes", "--json")
        run("setup", first, "--undo", "--yes")

        assert f"credward {first}" not in file.read_text()
        assert f"credward {last}" in file.read_text()
        assert run("setup", last, "--undo", "--yes").code == 0
        assert tree(set_up_home) == was


def test_all_of_them_are_undone_at_once(run: Run, set_up_home: Path) -> None:
    """Those of Claude Code as well."""
    prepare(set_up_home / ".bashrc", "rich", RC)
    was = tree(set_up_home)
    for tool, (name, _, _) in TOOLS.items():
        run("setup", tool, name, "--yes", "--json")
    run("setup", "claude-code", "plain", "--region", "us-east-1", "--yes", "--json")
    assert run("setup", "--undo", "--all").code == 64
    ran = run("setup", "--undo", "--all", "--yes")

    assert ran.code == 0
    assert tree(set_up_home) == was
    assert run("setup", "--undo", "--all", "--yes").out == "nothing was set up\n"


def test_set_ups_of_one_tool_stand_side_by_side_or_follow_each_other(
    run: Run, set_up_home: Path
) -> None:
    """Profiles are many, the variables of a shell are there once."""
    for name in ("bedrock", "plain"):
        run("setup", "aws", name, "--yes", "--json")
    config = set_up_home / ".aws/config"
    assert config.read_text().count("[profile credward-") == 2
    run("setup", "aws", "plain", "--undo", "--yes")
    assert "credward-plain" not in config.read_text()
    assert "credward-bedrock" in config.read_text()
    assert run("setup", "aws", "plain", "--undo", "--yes").code == 64
    for name in ("key", "gateway"):
        run("setup", "ant", name, "--yes", "--json")

    text = (set_up_home / ".bashrc").read_text()
    assert text.count(">>> credward ant >>>") == 1
    assert "credward-helper gateway" in text


def test_another_shell_file_takes_the_place_of_the_first(run: Run, set_up_home: Path) -> None:
    """Else the old block would be left there for ever."""
    first, other = set_up_home / ".bashrc", set_up_home / "other"
    prepare(first, "rich", RC)
    run("setup", "gcp", "vertex", "--yes", "--json")
    run("setup", "gcp", "vertex", "--yes", "--json", "--shell-file", str(other))

    assert first.read_text() == RC
    assert "GCE_METADATA_HOST" in other.read_text()


def test_a_removed_credential_takes_its_set_ups_along(run: Run, set_up_home: Path) -> None:
    """They are named before."""
    run("setup", "aws", "plain", "--yes", "--json")
    ran = run("remove", "plain", "--dry-run")

    assert f"also removes our settings of AWS from {set_up_home / '.aws/config'}" in ran.out
    assert "-[profile credward-plain]" in ran.out


def test_an_unreadable_file_is_left_alone(run: Run, set_up_home: Path) -> None:
    """With the line that is wrong."""
    file = set_up_home / ".aws/config"
    file.parent.mkdir()
    file.write_text("[default]\nnonsense\n")
    ran = run("setup", "aws", "bedrock", "--yes")

    assert ran.code == 78
    assert f'"{file}" is not a valid AWS configuration at line 2: correct it' in ran.err
    assert file.read_text() == "[default]\nnonsense\n"
