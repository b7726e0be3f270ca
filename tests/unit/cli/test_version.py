"""`credward --version`."""

import json

from credward import __version__
from unit.cli.conftest import Run


def test_prints_the_version(run: Run) -> None:
    """For people and for programs."""
    assert run("version").out == f"credward {__version__}\n"
    assert json.loads(run("version", "--json").out)["version"] == __version__
