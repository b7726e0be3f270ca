"""A line of settings is judged by its words alone."""

from pathlib import Path

import pytest

from credward.cli.doctor.helper_line import fault_of, program_of
from credward.config import load_config
from credward.paths import environment, find_paths


@pytest.fixture
def helper(tmp_path: Path) -> Path:
    """A program with the name of ours."""
    path = tmp_path / "bin dir/credward-helper"
    path.parent.mkdir()
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("exec '{helper}' demo", None),
        ("'{helper}'", None),
        ("exec '{helper}' --timeout 3 -- demo", None),
        ("exec '{helper}' demu", 'asks for "demu", which is not configured, perhaps "demo": AGAIN'),
        ("exec '{helper}' 'run this'", "asks for a credential that is not configured: AGAIN"),
        ("exec '{helper}' b", 'asks for "b", not for "demo": run credward doctor b; to change it,'),
        ("exec /gone/credward-helper demo", "names /gone/credward-helper, which is gone: AGAIN"),
        ("exec {other} demo", "names {other}, the helper of another installation than {helper}:"),
        ("op read x", "names another helper, which is not tried here: REPLACING"),
        (
            "'{helper}' demo; touch trap",
            "has a line that is not a plain call of this helper and is not tried here: AGAIN",
        ),
        ("x '{helper}' demo", "has a line that is not a plain call"),
    ],
)
def test_says_why_a_line_does_not_serve(
    config_file: Path, tmp_path: Path, helper: Path, line: str, says: str | None
) -> None:
    """And names what corrects it."""
    with config_file.open("a") as file:
        file.write('[credentials.b]\nprovider = "local"\n')
    config_file.write_text(f'default = "demo"\n{config_file.read_text()}')
    other = tmp_path / "credward-helper"
    other.write_text("#!/bin/sh\necho\n")
    other.chmod(0o755)
    config = load_config(find_paths(environment()))
    found = fault_of(
        line.format(helper=helper, other=other),
        helper,
        config,
        config.credentials["demo"],
        again="AGAIN",
        replacing="REPLACING",
    )

    if says is None:
        assert found is None
    else:
        assert found is not None
        assert says.format(helper=helper, other=other) in found.text
        assert "touch" not in found.text


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("exec '/a b/credward-helper' x", "/a b/credward-helper"),
        ("credward-helper", "credward-helper"),
        ("sh -c credward-helper", None),
        ("'/x; touch trap/credward-helper'", None),
        ("'", None),
        ("", None),
        ("exec", None),
    ],
)
def test_finds_the_program_of_a_plain_call(line: str, program: str | None) -> None:
    """Only if it comes first."""
    assert program_of(line) == program
