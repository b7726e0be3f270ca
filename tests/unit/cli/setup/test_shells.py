"""Lines for a shell do in that shell what they say: run by the real ones."""

import shutil
import subprocess
from pathlib import Path

import pytest

from credward.cli.setup.record import Owner
from credward.cli.setup.shells import READ_FILE, Shell, shell_of

SHELLS = ["bash", "dash", "zsh", "fish"]
ODD = "a b'c\"$HOME`id`\\"


@pytest.fixture(params=SHELLS)
def program(request: pytest.FixtureRequest) -> str:
    found = shutil.which(request.param)
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found


def made_by(program: str, file: Path) -> Shell:
    return Shell(file=file, fish=Path(program).name == "fish")


def run(program: str, text: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, "-c", text],
        env={"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_variables_reach_what_is_started(program: str, tmp_path: Path) -> None:
    """Whatever is in a value; a secret is read from its file, and nothing is said without it."""
    file = tmp_path / "my secret.token"
    lines = made_by(program, tmp_path / "rc").exports(
        {"A": ODD, "SECRET": READ_FILE.format(file), "LAST": "1"}
    )
    ask = 'env | grep -a -E "^(A|SECRET|LAST)=" | sort'
    without = run(program, f"{lines}\n{ask}", tmp_path)
    file.write_text("sesame")
    ran = run(program, f"{lines}\n{ask}", tmp_path)

    assert ran.stdout == f"A={ODD}\nLAST=1\nSECRET=sesame\n"
    assert ran.stderr == without.stderr == ""
    assert "sesame" not in lines


def test_a_program_gets_a_fresh_secret_and_nobody_else(program: str, tmp_path: Path) -> None:
    """The function starts the program itself, with its words and its exit status."""
    tool, helper = tmp_path / "bin/ant", tmp_path / "bin/give me"
    tool.parent.mkdir()
    tool.write_text('#!/bin/sh\necho "$KEY $BASE $# $2"\nexit 7\n')
    helper.write_text("#!/bin/sh\necho k1\n")
    for each in (tool, helper):
        each.chmod(0o755)
    shell = made_by(program, tmp_path / "rc")
    lines = shell.function("ant", ("KEY", f"'{helper}' x"), {"BASE": "https://a b"})
    status = "$status" if shell.fish else "$?"
    ran = run(program, f'{lines}\nant one "two words"\necho "{status} [$KEY]"', tmp_path)

    assert ran.stdout == "k1 https://a b 2 two words\n7 []\n", ran.stderr


def test_without_a_secret_the_program_is_not_started(program: str, tmp_path: Path) -> None:
    """The helper has said why, and its exit status is passed on."""
    shell = made_by(program, tmp_path / "rc")
    lines = shell.function("ant", ("KEY", "sh -c 'echo why >&2; exit 67'"), {})
    status = "$status" if shell.fish else "$?"
    ran = run(program, f'{lines}\nant\necho "{status}"', tmp_path)

    assert (ran.stdout, ran.stderr) == ("67\n", "why\n")


@pytest.mark.parametrize(
    ("environ", "named", "file", "fish"),
    [
        ({"SHELL": "/bin/bash"}, None, "/h/.bashrc", False),
        ({"SHELL": "/usr/bin/zsh"}, None, "/h/.zshrc", False),
        ({"SHELL": "/usr/bin/zsh", "ZDOTDIR": "/z"}, None, "/z/.zshrc", False),
        ({"SHELL": "/usr/bin/fish"}, None, "/h/.config/fish/config.fish", True),
        ({"SHELL": "/usr/bin/fish", "XDG_CONFIG_HOME": "/c"}, None, "/c/fish/config.fish", True),
        ({"SHELL": "/bin/dash"}, None, "/h/.profile", False),
        ({}, None, "/h/.profile", False),
        ({"SHELL": "/bin/bash"}, "/h/my.fish", "/h/my.fish", True),
    ],
)
def test_each_shell_has_its_file(
    environ: dict[str, str], named: str | None, file: str, fish: bool
) -> None:
    """What is named counts more."""
    found = shell_of({"HOME": "/h", **environ}, Path(named) if named else None)

    assert found == Shell(file=Path(file), fish=fish)
    assert found.wish("x\n", Owner(tool="gcp")).members == {("gcp",): "x\n"}
