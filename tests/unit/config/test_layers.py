"""The files in their order."""

from pathlib import Path

import msgspec
import pytest

from credward.config import find_paths
from credward.config.layers import Complaints, edited_files, read_layers, text_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "etc" / "config.d").mkdir(parents=True)
    (tmp_path / "credward").mkdir()
    for name in (
        "etc/config.toml",
        "etc/config.d/20-b.toml",
        "etc/config.d/10-a.toml",
        "credward/config.toml",
    ):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o600)
    return tmp_path


def names(
    folder: Path, complaints: Complaints, explicit: Path | None = None, **environ: str
) -> list[str]:
    found = find_paths({"HOME": "/", "XDG_CONFIG_HOME": str(folder), **environ}, uid=1)
    paths = msgspec.structs.replace(found, system_config_dir=folder / "etc")
    return [
        str(layer.path.relative_to(folder)) for layer in read_layers(paths, explicit, complaints)
    ]


def test_weakest_first(folder: Path) -> None:
    """System, its fragments by name, the user."""
    assert names(folder, Complaints()) == [
        "etc/config.toml",
        "etc/config.d/10-a.toml",
        "etc/config.d/20-b.toml",
        "credward/config.toml",
    ]


def test_a_named_file_stands_alone(folder: Path) -> None:
    """By option or by variable."""
    only = folder / "etc/config.toml"

    assert names(folder, Complaints(), only) == ["etc/config.toml"]
    assert names(folder, Complaints(), CREDWARD_CONFIG=str(only)) == ["etc/config.toml"]


def test_files_that_others_can_write_are_complaints(folder: Path) -> None:
    """With the command that mends it."""
    path = folder / "credward/config.toml"
    path.chmod(0o620)
    complaints = Complaints()
    names(folder, complaints)

    assert complaints.errors == [f"{path}:1: others can write to it: run chmod go-w {path}"]


def test_what_is_not_toml_names_the_line(folder: Path) -> None:
    """Syntax and encoding."""
    path = folder / "credward/config.toml"
    path.write_text("a = 1\nb = [1,\n")
    complaints = Complaints()
    names(folder, complaints)
    path.write_bytes(b"\xff")
    names(folder, complaints)

    assert complaints.errors[0].startswith(f"{path}:3: ") or complaints.errors[0].startswith(
        f"{path}:"
    )
    assert "UTF-8" in complaints.errors[1]


def test_files_that_differ_from_what_was_read_are_found(tmp_path: Path) -> None:
    """One that is gone is not among them, nor one that is no text."""
    texts = {"same": "a = 1\n", "edited": "a = 1\n", "gone": "a = 1\n", "binary": "a = 1\n"}
    files = [(tmp_path / name, text_digest(text)) for name, text in texts.items()]
    (tmp_path / "same").write_text("a = 1\n")
    (tmp_path / "edited").write_text("a = 2\n")
    (tmp_path / "binary").write_bytes(b"\xff")

    assert edited_files(files) == [str(tmp_path / "edited")]
