"""`credward completion`."""

import pytest

from unit.cli.conftest import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_prints_a_script_that_calls_us(run: Run, shell: str) -> None:
    """Each shell has its own; all ask `credward` itself."""
    ran = run("completion", shell)

    assert ran.code == 0
    assert "_CREDWARD_COMPLETE" in ran.out


@pytest.mark.parametrize("path", ["/bin/bash", "/usr/bin/zsh", "/usr/local/bin/fish"])
def test_the_shell_of_the_user_is_meant(
    run: Run, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Named by SHELL; one that we have no script for is not guessed at."""
    monkeypatch.setenv("SHELL", path)
    assert run("completion").out == run("completion", path.rpartition("/")[2]).out
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert run("completion").code == 64
