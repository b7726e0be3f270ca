"""The programs that start a daemon: the service manager if our unit is installed, else we.

Both get the environment of the account and nothing from the caller: no variable, no descriptor, no
terminal, no directory. A daemon of the service manager has the manager's environment, and our unit
makes it use the record too (`serve --recorded`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from credward.errors import BrokerError, Failure, Kind

__all__ = ["run_manager", "run_serve", "unit_is_installed"]

_UNIT = "credward.socket"
_MANAGERS = ("/usr/bin/systemctl", "/bin/systemctl")
# systemd.unit(5), "User Unit Search Path": the part that packages and people write.
_SYSTEM_UNITS = ("/etc/systemd/user", "/usr/local/lib/systemd/user", "/usr/lib/systemd/user")
# A start takes a second at most on a slow machine.
_PATIENCE = 15.0


def unit_is_installed(home: Path, config_home: Path) -> bool:
    """Return whether the service manager of the account's user has our socket unit."""
    own = (config_home / "systemd/user", home / ".local/share/systemd/user")
    return any((Path(each) / _UNIT).exists() for each in (*own, *_SYSTEM_UNITS))


def run_manager(environ: Mapping[str, str]) -> bool:
    """Let the service manager start our socket; False if it cannot (no session bus)."""
    manager = next((each for each in _MANAGERS if Path(each).exists()), None)
    if manager is None:
        return False
    return _run([manager, "--user", "start", _UNIT], environ).returncode == 0


def run_serve(environ: Mapping[str, str]) -> Failure | None:
    """Start the daemon and wait until it is ready; return why it is not.

    The kind is `already-running` if another start was faster.
    """
    # -I: import nothing from a directory or variable of the caller.
    done = _run([sys.executable, "-I", "-m", "credward", "serve", "--detach"], environ)
    if done.returncode == 0:
        return None
    line = next(iter(reversed(done.stderr.strip().splitlines())), "")
    kind = next((each for each in Kind if each.exit_code == done.returncode), Kind.NOT_RUNNING)
    said = line.removeprefix("credward: ")
    return Failure.of(kind, said or "the daemon does not start: run credward serve to see why")


def _run(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            env=environ,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BrokerError(
            Kind.NOT_RUNNING,
            f"the daemon was not ready after {_PATIENCE:.0f} s: run credward serve to see why",
        ) from error
