"""Running a helper as Claude Code does."""

from pathlib import Path

import pytest

from credward.cli.helper_probe import Build, build_of, digest, find_helper, probe
from credward.errors import BrokerError

ENVIRON = {"PATH": "/usr/bin:/bin", "HERE": "yes"}


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("echo token", None),
        ("printf 'token\\r\\n'", None),
        ("true", "printed nothing"),
        ("echo Bearer token", "printed something that is not one printable ASCII token"),
        ("printf 'a\\nb\\n'", "printed something that is not one printable ASCII token"),
        (
            "head -c 17000 /dev/zero | tr '\\0' x",
            "printed 17000 characters, the maximum is 16384",
        ),
    ],
)
def test_says_what_claude_code_would_refuse(home: Path, line: str, fault: str | None) -> None:
    """Charset and length, never the text itself."""
    seen = probe(line, ENVIRON, home)

    assert (seen.exit_code, seen.fault) == (0, fault)


def test_a_failure_keeps_its_first_line(home: Path) -> None:
    """Exit code and the one line that a user would see."""
    seen = probe("echo first >&2; echo second >&2; exit 67", ENVIRON, home)

    assert (seen.exit_code, seen.complaint) == (67, "first")


def test_a_child_that_holds_the_output_is_found(home: Path) -> None:
    """Claude Code waits for the end of both pipes: a background child would stall it."""
    seen = probe("sleep 3 & echo token", ENVIRON, home)

    assert seen.held_open


@pytest.mark.parametrize(
    ("said", "build"),
    [
        ("credward-helper 1.2 (static musl)", Build(version="1.2", kind="static musl")),
        ("credward-helper 1.2 (Python)", Build(version="1.2", kind="Python")),
        ("credward-helper 1.2", Build()),
        ("something else (static musl)", Build()),
    ],
)
def test_the_helper_says_how_it_is_built(tmp_path: Path, said: str, build: Build) -> None:
    """An older one does not, and a program of another name is not asked about."""
    script = tmp_path / "credward-helper"
    script.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo '{said}'\n")
    script.chmod(0o755)

    assert build_of(script) == build


@pytest.mark.parametrize("interpreter", ["", "python", "./bin/python"])
@pytest.mark.parametrize("path", ["", ".", ":", "bin:.", None])
def test_a_helper_of_the_working_directory_is_never_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interpreter: str, path: str | None
) -> None:
    """Neither beside an interpreter that Python does not know, nor by a relative PATH."""
    planted = tmp_path / "repo"
    installed = tmp_path / "installed"
    for folder in (planted, planted / "bin", installed):
        folder.mkdir()
        (folder / "credward-helper").write_text("#!/bin/sh\n")
        (folder / "credward-helper").chmod(0o755)
    monkeypatch.chdir(planted)
    monkeypatch.setattr("sys.executable", interpreter)
    if path is None:
        monkeypatch.delenv("PATH")
        monkeypatch.setattr("os.defpath", "bin:.")
    else:
        monkeypatch.setenv("PATH", path)

    with pytest.raises(BrokerError, match="is not installed"):
        find_helper()
    monkeypatch.setenv("PATH", f".:{installed}")
    assert find_helper() == installed / "credward-helper"


def test_a_helper_that_does_not_run_says_nothing(tmp_path: Path) -> None:
    """It is told where it is run for a token."""
    assert build_of(tmp_path / "missing") == Build()


def test_runs_in_this_folder_and_this_environment(tmp_path: Path) -> None:
    """And the token is known by its digest alone."""
    seen = probe('echo "$HERE:$PWD"', ENVIRON, tmp_path)

    assert seen.digest == digest(f"yes:{tmp_path}".encode())
    assert str(tmp_path) not in repr(seen)
