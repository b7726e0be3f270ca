"""The programs that transcripts run: the C helper under several compilers, its Python twin, the command line.

Builds each once per content of its sources, shared by all test processes; what they should say is in the transcripts.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

from marks import quick

__all__ = ["BUILDS", "ROOT", "build_hook", "first_here", "native_helper", "program", "variants"]

ROOT = Path(__file__).resolve().parents[2]
HELPERS = ROOT / "helpers"
VERSION = "0.0.0+test"

_STRICT = [
    "-std=c11",
    "-D_GNU_SOURCE",
    "-g",
    "-Wall",
    "-Wextra",
    "-Wshadow",
    "-Wconversion",
    "-Werror",
]
_SANITIZED = ["-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

# Name of a build -> compiler and flags.
BUILDS: dict[str, list[str]] = {
    "musl": ["musl-gcc", "-static", "-Os"],
    "gcc": ["gcc", "-O2"],
    "clang": ["clang", "-O2"],
    "gcc-sanitized": ["gcc", *_SANITIZED],
    "clang-sanitized": ["clang", *_SANITIZED],
}


def program(name: str) -> list[str] | None:
    """Return the command of the program called *name*; None where its compiler is missing."""
    match name:
        case "twin":
            return [sys.executable, "-I", str(HELPERS / "helper.py")]
        case "credward get":
            return [sys.executable, "-m", "credward", "get"]
        case "credward":
            return [sys.executable, "-m", "credward"]
        case _:
            binary = native_helper(name)
            return None if binary is None else [str(binary)]


def first_here(*names: str) -> str | None:
    """Return which of these programs every run of the tests goes by: the first that can be had."""
    here = (name for name in names if name not in BUILDS or shutil.which(BUILDS[name][0]))
    return next(here, None)


def variants(*names: str) -> list[Any]:
    """Return these programs as parameters of a test; all but the quick one are slow."""
    return quick(first_here(*names), among=names)


def native_helper(build: str) -> Path | None:
    """Return the C helper of this *build*, compiled without a warning; None where that cannot be built here."""
    compiler = BUILDS[build]
    if not _links(build):
        return None
    sources = sorted(HELPERS.glob("*.[ch]"))
    digest = hashlib.sha256(repr(compiler).encode())
    for source in sources:
        digest.update(source.read_bytes())
    binary = _cache() / f"{build}-{digest.hexdigest()[:16]}" / "credward-helper"
    if not binary.exists():
        _compile(compiler, [str(source) for source in sources if source.suffix == ".c"], binary)
    return binary


def build_hook() -> ModuleType:
    """Return packaging/build_helper.py as a module; its folder is no package and never will be."""
    spec = importlib.util.spec_from_file_location(
        "credward_build_helper", ROOT / "packaging/build_helper.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def _links(build: str) -> bool:
    """Return whether the compiler is here, with the libraries that its flags ask for."""
    compiler = BUILDS[build]
    if shutil.which(compiler[0]) is None:
        return False
    with tempfile.TemporaryDirectory(dir=_cache()) as work:
        source = Path(work, "empty.c")
        source.write_text("int main(void) { return 0; }\n")
        command = [*compiler, "-o", str(Path(work, "empty")), str(source)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _compile(compiler: list[str], sources: list[str], binary: Path) -> None:
    work = Path(tempfile.mkdtemp(dir=_cache()))
    made = work / binary.name
    command = [*compiler, *_STRICT, f'-DCREDWARD_VERSION="{VERSION}"', "-o", str(made), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # Several test processes may build at once: the rename decides, all products are alike.
    binary.parent.mkdir(exist_ok=True)
    made.rename(binary)
    work.rmdir()


def _cache() -> Path:
    path = Path(tempfile.gettempdir()) / f"credward-test-builds-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    assert status.st_uid == os.getuid()
    assert status.st_mode & 0o077 == 0
    return path
