"""Build hook: compile `credward-helper` into the wheel, or add its Python version under that name.

Chooses and tests the compiler for `helpers/`; hatchling does the rest.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "credward-helper"

# No -Werror here: a newer compiler may have more warnings, and an installation must not fail for
# that.
FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-Os", "-fstack-protector-strong", "-Wall", "-Wextra")

# Zig compiles its libc once, which took 50 s on a machine with two cores.
_PATIENCE = 300.0


class HelperBuildHook(BuildHookInterface[Any]):
    """Adds the helper to the scripts of a wheel, normal or editable."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Make the helper in its own folder, and tell where it belongs and what it runs on."""
        del version  # "standard" or "editable": the helper is the same
        self._folder = Path(tempfile.mkdtemp(prefix="credward-build-"))
        helpers = Path(self.root) / "helpers"
        target = self._folder / NAME
        tried = compile_helper(helpers, target, self.metadata.version)
        if target.exists():
            build_data["pure_python"] = False
            build_data["tag"] = f"py3-none-{_platform_tag()}"
        elif os.environ.get("CREDWARD_REQUIRE_NATIVE") == "1":
            raise RuntimeError(
                "CREDWARD_REQUIRE_NATIVE=1, but no C compiler works: " + "; ".join(tried)
            )
        else:
            self.app.display_warning(f"{NAME}: no C compiler works, installing its Python twin")
            copy_twin(helpers, target)
        build_data["shared_scripts"][str(target)] = NAME

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the folder; the wheel has its copy."""
        del version, build_data, artifact_path
        shutil.rmtree(self._folder, ignore_errors=True)


def compile_helper(helpers: Path, target: Path, version: str) -> list[str]:
    """Compile the sources in *helpers* to *target* with the first compiler whose output runs.

    Return why each earlier one failed; *target* does not exist if all failed.
    """
    sources = [str(source) for source in sorted(helpers.glob("*.c"))]
    tried: list[str] = []
    for compiler in _compilers():
        command = [
            *compiler,
            *FLAGS,
            f'-DCREDWARD_VERSION="{version}"',
            "-o",
            str(target),
            *sources,
        ]
        failure = _run(command) or _prove(target, version)
        if failure is None:
            return tried
        target.unlink(missing_ok=True)
        tried.append(f"{compiler[0]}: {failure}")
    return tried


def copy_twin(helpers: Path, target: Path) -> None:
    """Copy the Python version, and make it executable: pip keeps the mode."""
    shutil.copyfile(helpers / "helper.py", target)
    target.chmod(0o755)


def _compilers() -> list[list[str]]:
    named = os.environ.get("CREDWARD_CC")
    if named:
        return [shlex.split(named)]
    plain = ("cc", "gcc", "clang")
    if sys.platform != "linux":
        return [[compiler] for compiler in plain]
    # Static musl first: the quickest start, and it runs in a container without any libc.
    # A static glibc looks up names with libraries of the machine that it runs on.
    static = [["musl-gcc"], *_zig(), ["cc", "-DCREDWARD_NO_NAMES"]]
    return [
        *([*compiler, "-static", "-s"] for compiler in static),
        *([compiler, "-s"] for compiler in plain),
    ]


def _zig() -> list[list[str]]:
    """Return the compiler of the package `ziglang`, which includes a musl, if it is installed.

    A build in its own environment, as with pip, sees only what is on PATH.
    """
    if importlib.util.find_spec("ziglang") is not None:
        zig = [sys.executable, "-m", "ziglang"]
    elif shutil.which("python-zig") is not None:
        zig = ["python-zig"]
    else:
        return []
    return [[*zig, "cc", "-target", f"{platform.machine()}-linux-musl"]]


def _run(command: list[str]) -> str | None:
    """Run *command*; return its failure in one line, None if it worked."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    lines = done.stderr.strip().splitlines()
    return (
        None
        if done.returncode == 0
        else f"exit {done.returncode} {lines[0] if lines else ''}".strip()
    )


def _prove(target: Path, version: str) -> str | None:
    """Return why *target* is not a helper that runs here, None when it is one."""
    try:
        done = subprocess.run(
            [str(target), "--version"], capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"its product does not run ({type(error).__name__})"
    good = done.returncode == 0 and done.stdout.startswith(f"{NAME} {version} (")
    return None if good else "its product does not run"


def _platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
