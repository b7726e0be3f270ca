"""The way back: in a clean home, the page's own commands leave nothing of us."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from canaries import canary
from integration.accounts import Account, account_of_its_own, install
from transcripts.programs import ROOT
from waiting import until

PAGE = ROOT / "docs/how-to/uninstall.md"
CONFIG = """
[credentials.gateway]
provider = "static"
secret = { store = "key" }
"""


@pytest.fixture
def account(folder: Path) -> Iterator[Account]:
    """Somebody who uses Claude Code already, and has a project."""
    with account_of_its_own(folder) as made:
        (made.home / ".bashrc").write_text("alias ll='ls -l'\n")
        (made.home / ".config").mkdir()
        (made.home / ".local/state").mkdir(parents=True)
        (made.home / ".claude").mkdir()
        (made.home / ".claude/settings.json").write_text('{"model": "opus"}\n')
        (made.home / "project/.git").mkdir(parents=True)
        yield made


def tree(home: Path) -> dict[str, bytes | None]:
    """Return everything in *home*: None for a directory."""
    return {
        str(each.relative_to(home)): each.read_bytes() if each.is_file() else None
        for each in sorted(home.rglob("*"))
    }


def commands() -> list[str]:
    """Return the lines that the page tells everyone to type."""
    blocks = re.findall(
        r"^```sh\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return [line for block in blocks for line in block.splitlines()]


def test_nothing_is_left_in_a_home(account: Account, folder: Path) -> None:
    """Set up at three levels, used, and taken away by what the page says and nothing else."""
    install("musl", folder / "bin")
    path = f"{folder}/bin:/usr/bin:/bin"
    was = tree(account.home)

    def typed(line: str, given: str = "") -> str:
        done = account.run("/bin/bash", "-c", line, given=given, PATH=path)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        return done.stdout

    account.write_config(CONFIG)
    secret = canary("uninstall")
    typed("credward secret set key", given=secret)
    for level in ("user", "local", "project"):
        typed(f"cd project && credward setup claude-code gateway --yes --level {level} --env A=b")
    assert typed("credward-helper gateway") == secret + "\n"
    assert len(account.daemons()) == 1
    said = "".join(typed(line) for line in commands())

    assert tree(account.home) == was
    assert account.daemons() == []
    # A worker that had nothing to do ends when it notices.
    until(lambda: not account.processes("-m credward"))
    assert said.count("as it was before") + said.count("there was no file before") == 3
    assert "stopped: pid" in said
    left = account.run(
        "/bin/sh", "-c", "find /run/user/0 /dev/shm -name '*credward*' -size +0 -type f"
    )
    assert left.stdout == ""
