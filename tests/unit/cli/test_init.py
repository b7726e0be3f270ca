"""`credward init`."""

from pathlib import Path

from unit.cli.conftest import Run


def test_makes_a_private_file_that_is_good(run: Run, home: Path) -> None:
    """0600, and `config check` agrees with it."""
    ran = run("init")
    made = home / "config/credward/config.toml"

    assert ran.code == 0
    assert made.stat().st_mode & 0o777 == 0o600
    assert run("config", "check").code == 0


def test_never_overwrites(run: Run, config_file: Path) -> None:
    """Running it again changes nothing."""
    before = config_file.read_text()
    ran = run("init")

    assert "nothing was changed" in ran.out
    assert config_file.read_text() == before


def test_proposes_what_is_there(run: Run, home: Path, monkeypatch: object) -> None:
    """A program on PATH becomes a block to use, commented out in the file."""
    tool = home / "bin" / "az"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))  # type: ignore[attr-defined]
    ran = run("init")

    assert "found the Azure CLI" in ran.out
    assert "# [credentials.azure]" in (home / "config/credward/config.toml").read_text()
