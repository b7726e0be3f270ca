"""Find the native helper and run it the way Claude Code does, to see what Claude Code would see.

Measures and reports; what a finding means is `doctor`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind
from credward.paths import environment

__all__ = ["Probe", "find_helper", "kind_of", "probe"]

_NAME = "credward-helper"
# Claude Code waits longer; whoever is asked for ten seconds has a user looking at a notice.
_PATIENCE = 10.0
_MOST = 16_384
# What a program started from a desktop or a background agent has of an environment.
_PASSED_ON = ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "CREDWARD_SOCKET")


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One run. *held_open*: something still held its output when the helper had ended."""

    exit_code: int | None
    seconds: float
    length: int
    fault: str | None
    complaint: str
    held_open: bool


def find_helper() -> Path:
    """Return the absolute path of the helper, beside the interpreter or on PATH."""
    beside = Path(sys.executable).parent / _NAME
    found = beside if beside.is_file() else None
    if found is None and (on_path := shutil.which(_NAME)) is not None:
        found = Path(on_path)
    if found is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, "credward-helper is not installed: run pip install credward"
        )
    return found.absolute()


def kind_of(helper: Path) -> str:
    """Return how the helper is built, in its own words: `static musl`, `Python`, ...

    Empty where it does not say so.
    """
    try:
        done = subprocess.run(
            [helper, "--version"], capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    said = re.fullmatch(r"credward-helper \S+ \((.+)\)\n", done.stdout)
    return "" if said is None else said[1]


def probe(command_line: str, extra: dict[str, str]) -> Probe:
    """Run *command_line* by `sh -c`: pipes for output, an open stdin, no terminal, another cwd."""
    environ = {name: environment()[name] for name in _PASSED_ON if name in environment()}
    with tempfile.TemporaryDirectory() as elsewhere:
        began = time.perf_counter()
        child = subprocess.Popen(
            ["/bin/sh", "-c", command_line],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=elsewhere,
            env={"PATH": "/usr/bin:/bin", **environ, **extra},
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
                length=0,
                fault=None,
                complaint="",
                held_open=held,
            )
    return Probe(
        exit_code=code,
        seconds=seconds,
        length=len(out.strip()),
        fault=_fault(out.strip()),
        complaint=err.decode("utf-8", "replace").strip().partition("\n")[0][:500],
        held_open=False,
    )


def _drain(child: subprocess.Popen[bytes]) -> tuple[bytes, bytes]:
    """Read what the helper left in its pipes; waits for whoever still holds them."""
    assert child.stdin is not None
    out, err = child.communicate(timeout=1.0)
    return out, err


def _fault(token: bytes) -> str | None:
    """Return what Claude Code would refuse about *token*, never the token."""
    if not token:
        return "printed nothing"
    if len(token) > _MOST:
        return f"printed {len(token)} characters, at most {_MOST} are taken"
    if any(not 0x21 <= byte <= 0x7E for byte in token):
        return "printed something that is not one printable ASCII token"
    return None
