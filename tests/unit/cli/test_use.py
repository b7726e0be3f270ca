"""`credward use` where the folder's name is not plain; all else is in tests/integration/test_use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unit.cli.conftest import Run


@pytest.mark.parametrize("words", [("--here",), ("--in", os.fsdecode(b"\xff\xfe"))])
def test_a_folder_that_is_not_utf_8_cannot_be_chosen_for(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    """Several of them look the same to the daemon; the line says what helps."""
    folder = home / os.fsdecode(b"\xff\xfe")
    folder.mkdir()
    if words == ("--here",):
        monkeypatch.chdir(folder)
    ran = run("use", "work", *words)

    assert ran.code != 0
    assert "the folder's name is not UTF-8" in ran.err
    assert "--in FOLDER" in ran.err
