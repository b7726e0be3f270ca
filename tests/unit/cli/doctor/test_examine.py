"""`credward doctor` names every broken link, and ends with the code of the first."""

import json
from pathlib import Path

import pytest

from unit.cli.conftest import Run

FIELDS = {"check", "mark", "text", "kind", "fix"}


def test_a_broken_configuration_hides_only_what_needs_it(run: Run, config_file: Path) -> None:
    """The daemon and the settings of the agent are looked at anyway."""
    config_file.write_text("broken = \n")
    settings = config_file.parents[2] / ".claude/settings.json"
    settings.parent.mkdir()
    settings.write_text("{")
    ran = run("doctor")

    assert ran.code == 78
    failed = [line for line in ran.out.splitlines() if line.startswith("fail ")]
    assert failed[0].startswith(f"fail configuration: {config_file}:1:")
    assert failed[1].startswith("fail daemon: the daemon is not running")
    assert failed[2].startswith(f'fail Claude Code: "{settings}" is not valid JSON at line 1')


def test_an_unknown_credential_is_named_with_its_neighbour(run: Run, config_file: Path) -> None:
    """And a guess; the daemon, which does not run, is an earlier link."""
    ran = run("doctor", "demp")

    assert config_file.exists()
    assert ran.code == 69
    assert 'fail credential: "demp" is not configured, perhaps "demo": run' in ran.out


def test_the_exit_code_is_that_of_the_first_broken_link(run: Run, config_file: Path) -> None:
    """In the form for programs too, with the command that `--fix` would run."""
    ran = run("doctor", "--json")

    found = json.loads(ran.out)
    (broken,) = [each for each in found["findings"] if each["mark"] == "fail"]
    assert config_file.exists()
    assert (ran.code, found["exit_code"], found["well"]) == (69, 69, False)
    assert (found["credential"], found["fixed"]) == ("demo", [])
    assert all(set(each) == FIELDS for each in found["findings"])
    assert broken["check"] == "daemon"
    assert broken["kind"] == "not-running"
    assert broken["fix"] == "credward daemon start"


@pytest.mark.parametrize("words", [("--yes",), ("--settings",), ("--settings", ".")])
def test_options_that_make_no_sense_are_refused(run: Run, words: tuple[str, ...]) -> None:
    """A yes to nothing, and a folder for a file."""
    ran = run("doctor", *words)

    assert ran.code == 64
    assert ran.out == ""
