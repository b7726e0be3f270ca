"""Find the native helper, and run a line as Claude Code does, to see the same result.

Measures and reports; `doctor` judges the findings.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind
from credward.paths import environment

__all__ = ["Build", "Probe", "build_of", "digest", "find_helper", "probe"]

_NAME = "credward-helper"
# Claude Code waits longer, but after ten seconds its user sees a notice.
_PATIENCE = 10.0
_MOST = 16_384


class Build(msgspec.Struct, frozen=True, kw_only=True):
    """What a helper says of itself; *kind* is `static musl`, `Python` and so on. Empty: nothing."""

    version: str = ""
    kind: str = ""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One run. *held_open*: another process still held its output after the helper had ended.

    *digest* is that of the token, *complaint* the first line on stderr.
    """

    exit_code: int | None = None
    seconds: float
    length: int = 0
    digest: str = ""
    fault: str | None = None
    complaint: str = ""
    held_open: bool = False


def find_helper() -> Path:
    """Return the absolute path of the helper, beside the interpreter or on PATH.

    Never one that is found through the working directory: that may be a repository's.
    """
    # Empty if Python does not know where it is.
    interpreter = Path(sys.executable)
    beside = interpreter.parent / _NAME
    found = beside if interpreter.is_absolute() and beside.is_file() else None
    folders = filter(os.path.isabs, environment().get("PATH", os.defpath).split(os.pathsep))
    if found is None and (on_path := shutil.which(_NAME, path=os.pathsep.join(folders))):
        found = Path(on_path)
    if found is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, "credward-helper is not installed: run pip install credward"
        )
    return found


def build_of(helper: Path) -> Build:
    """Return how the helper is built, as it reports."""
    try:
        done = subprocess.run(
            [helper, "--version"], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return Build()
    said = re.fullmatch(r"credward-helper (\S+) \((.+)\)\n", done.stdout)
    return Build() if said is None else Build(version=said[1], kind=said[2])


def digest(token: bytes) -> str:
    """Return a one-way name of *token*, to compare it with another one."""
    return hashlib.sha256(token.strip()).hexdigest()


def probe(command_line: str, environ: Mapping[str, str], directory: Path) -> Probe:
    """Run *command_line* by `sh -c` in *directory*, with pipes, an open stdin and no terminal."""
    began = time.perf_counter()
    child = subprocess.Popen(
        ["/bin/sh", "-c", command_line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=directory,
        env=dict(environ),
        start_new_session=True,
    )
    try:
        code = child.wait(_PATIENCE)
        seconds = time.perf_counter() - began
        out, err = _drain(child)
    except subprocess.TimeoutExpired:
        held = child.poll() is not None
        child.kill()
        return Probe(
            exit_code=child.returncode if held else None,
            seconds=time.perf_counter() - began,
            held_open=held,
        )
    return Probe(
        exit_code=code,
        seconds=seconds,
        length=len(out.strip()),
        digest=digest(out),
        fault=_fault(out.strip()),
        complaint=err.decode("utf-8", "replace").strip().partition("\n")[0][:500],
    )


def _drain(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read the rest of the helper's pipes; waits for processes that still hold them."""
    assert child.stdin is not None
    out, err = child.communicate(timeout=1.0)
    return out, err


def _fault(token: bytes) -> str | None:
    """Return why Claude Code would refuse *token*, never the token."""
    if not token:
        return "printed nothing"
    if len(token) > _MOST:
        return f"printed {len(token)} characters, the maximum is {_MOST}"
    if any(not 0x21 <= byte <= 0x7E for byte in token):
        return "printed something that is not one printable ASCII token"
    return None
