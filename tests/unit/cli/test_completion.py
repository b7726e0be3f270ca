"""`credward completion`."""

import pytest

from unit.cli.conftest import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_prints_a_script_that_calls_us(run: Run, shell: str) -> None:
    """Each shell has its own; all ask `credward` itself."""
    ran = run("completion", shell)

    assert ran.code == 0
    assert "_CREDWARD_COMPLETE" in ran.out
