"""What a wheel carries: a proven native helper, else its twin; tried with real builds and installations."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from pathlib import Path

import click
import pytest

from transcripts.programs import ROOT, build_hook

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
PLATFORM = sysconfig.get_platform().replace("-", "_").replace(".", "_")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The sources, without what others have built in them."""
    copy = tmp_path / "checkout"
    for folder in ("broker", "helpers", "packaging", "policies"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for page in ("README.md", "LICENSE"):
        (copy / page).touch()
    return copy


def build(
    checkout: Path, target: str = "wheel", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Build without a network: the back end is part of the development environment."""
    return subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(checkout / "dist")],
        cwd=checkout,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def install(checkout: Path) -> Path:
    """Install the one wheel into a new environment and return its helper."""
    (wheel,) = (checkout / "dist").glob("*.whl")
    place = checkout / "venv"
    venv.create(place, symlinks=True)
    # What the package depends on, without a network: that of this environment.
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    (packages / "dependencies.pth").write_text(f"{Path(click.__file__).parents[1]}\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(place),
            "install",
            "-q",
            "--no-deps",
            "--no-index",
            str(wheel),
        ],
        check=True,
        timeout=100,
    )
    return place / "bin/credward-helper"


def version_of(helper: Path) -> str:
    """Return what the installed helper says."""
    return subprocess.run(
        [helper, "--version"], capture_output=True, text=True, timeout=30, check=True
    ).stdout


@pytest.mark.parametrize("target", ["wheel:standard", "wheel:editable"])
def test_a_wheel_carries_the_native_helper(checkout: Path, target: str) -> None:
    """Also an editable one: an edit of the C needs another installation."""
    if target == "wheel:editable" and importlib.util.find_spec("editables") is None:
        pytest.skip("needs editables, which hatchling asks for only then")
    done = build(checkout, target)
    assert done.returncode == 0, done.stderr
    (wheel,) = (checkout / "dist").glob("*.whl")
    helper = install(checkout)

    if target == "wheel:standard":
        # An editable wheel never travels, and hatchling names it its own way.
        assert wheel.name == f"credward-{VERSION}-py3-none-{PLATFORM}.whl"
    assert not helper.read_bytes().startswith(b"#!")
    assert re.fullmatch(
        rf"credward-helper {VERSION} \((static|dynamic) \w+\)\n", version_of(helper)
    )


def test_without_a_compiler_the_wheel_carries_the_twin(checkout: Path) -> None:
    """A broken compiler counts as none; the twin runs anywhere, and its first line becomes the interpreter."""
    done = build(checkout, CREDWARD_CC="false")
    assert done.returncode == 0, done.stderr
    (wheel,) = (checkout / "dist").glob("*.whl")
    helper = install(checkout)

    assert wheel.name == f"credward-{VERSION}-py3-none-any.whl"
    assert helper.read_text().startswith(f"#!{checkout}/venv/bin/python")
    assert version_of(helper) == f"credward-helper {VERSION} (Python)\n"
    with zipfile.ZipFile(wheel) as archive:
        (script,) = [
            each for each in archive.infolist() if each.filename.endswith("credward-helper")
        ]
        assert archive.read(script).startswith(b"#!python\n")
        assert script.external_attr >> 16 & 0o777 == 0o755


def test_a_required_native_helper_is_an_error_when_it_cannot_be(checkout: Path) -> None:
    """What is released must not be the fallback by accident."""
    done = build(checkout, CREDWARD_CC="false", CREDWARD_REQUIRE_NATIVE="1")

    assert done.returncode != 0
    assert "CREDWARD_REQUIRE_NATIVE=1, but no C compiler works: false: exit 1" in done.stderr
    assert list((checkout / "dist").glob("*.whl")) == []


def test_nothing_is_left_behind(checkout: Path, tmp_path: Path) -> None:
    """The folder of the build goes with the build."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    build(checkout, TMPDIR=str(scratch))

    assert [each for each in scratch.iterdir() if each.name.startswith("credward-")] == []


def test_a_compiler_is_proven_by_its_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that makes something that does not run here (a cross compiler) is passed over."""
    compiler = tmp_path / "cross-cc"
    compiler.write_text(
        '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = -o ] && printf nonsense >"$2" && chmod +x "$2"; shift; done\n'
    )
    compiler.chmod(0o755)
    monkeypatch.setenv("CREDWARD_CC", str(compiler))
    target = tmp_path / "credward-helper"
    tried = build_hook().compile_helper(ROOT / "helpers", target, VERSION)

    assert [each.partition(": ")[2].partition(" (")[0] for each in tried] == [
        "its product does not run"
    ]
    assert not target.exists()


def test_the_named_compiler_may_have_flags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CREDWARD_CC is a command, as CC is elsewhere."""
    monkeypatch.setenv("CREDWARD_CC", "cc -DCREDWARD_EXTRA='1 2'")
    target = tmp_path / "credward-helper"

    assert build_hook().compile_helper(ROOT / "helpers", target, VERSION) == []
    assert version_of(target).startswith(f"credward-helper {VERSION} (")


def stand_in(folder: Path, name: str) -> None:
    """Put a compiler into *folder* that notes how it was called, and fails."""
    compiler = folder / name
    compiler.write_text(f'#!/bin/sh\necho "{name} $*" >>{folder}/calls\nexit 1\n')
    compiler.chmod(0o755)


@pytest.mark.skipif(sys.platform != "linux", reason="musl is for Linux")
@pytest.mark.parametrize("zig", [True, False])
def test_the_quickest_helper_is_tried_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zig: bool
) -> None:
    """Static musl, by gcc or by zig where that package is installed; then static, then any."""
    names = ["musl-gcc", *(["python-zig"] if zig else []), "cc", "gcc", "clang"]
    for name in names:
        stand_in(tmp_path, name)
    monkeypatch.delenv("CREDWARD_CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    hook = build_hook()
    monkeypatch.setattr(hook.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(hook.shutil, "which", lambda name: name if name in names else None)
    tried = hook.compile_helper(ROOT / "helpers", tmp_path / "helper", VERSION)
    calls = (tmp_path / "calls").read_text().splitlines()

    musl = [f"python-zig cc -target {platform.machine()}-linux-musl -static -s"] if zig else []
    plain = ["cc -s", "gcc -s", "clang -s"]
    wanted = ["musl-gcc -static -s", *musl, "cc -DCREDWARD_NO_NAMES -static -s", *plain]
    assert [each.partition(" -std=")[0] for each in calls] == wanted
    assert len(tried) == len(wanted)
