"""Programs that call themselves as agents do, ask for credentials, and stay in their folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from integration.command_line import command
from integration.daemon import RunningDaemon

__all__ = ["agent"]


@contextmanager
def agent(
    daemon: RunningDaemon, name: str, folder: Path, credentials: Sequence[str]
) -> Iterator[None]:
    """Have an agent that is called *name* and works in *folder* ask for each, and wait."""
    folder.mkdir(parents=True, exist_ok=True)
    # Not a shell, which would be looked through.
    program = daemon.runtime_dir / name
    program.write_text(
        f"#!{sys.executable}\nimport subprocess, sys\n"
        f"for name in {list(credentials)!r}:\n"
        f"    subprocess.run([*{command('get')}, name], stdout=subprocess.DEVNULL)\n"
        "print('asked', flush=True)\nsys.stdin.read()\n"
    )
    program.chmod(0o700)
    with subprocess.Popen(
        [program],
        env=daemon.environment,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"asked\n"
        yield
