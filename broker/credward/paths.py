"""The paths on this machine: configuration, state, and the socket's search order.

Computes paths from a given environment; their users make and check them. Only `environment` reads
the process environment.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind

__all__ = [
    "SYSTEM_SOCKET",
    "Paths",
    "candidate_sockets",
    "environment",
    "find_paths",
    "is_private",
]

_SOCKET = "credward.sock"
# The daemon of the machine, for the users that its configuration lists.
SYSTEM_SOCKET = Path("/run/credward") / _SOCKET
# sockaddr_un.sun_path less its NUL: 108 on Linux, 104 on macOS.
_LONGEST = {"darwin": 103}


class Paths(msgspec.Struct, frozen=True, kw_only=True):
    """Paths of one user; clients search *sockets* in order, a daemon listens at *socket*."""

    config_file: Path
    # Given by CREDWARD_CONFIG: then no other layer is read.
    config_alone: bool
    # The directory of our own files next to the default configuration.
    config_dir: Path
    system_config_dir: Path
    state_dir: Path
    sockets: tuple[Path, ...]
    socket: Path
    # From CREDWARD_SOCKET: clients look nowhere else and never start a daemon.
    socket_named: bool

    @property
    def is_configured(self) -> bool:
        """Whether there is a configuration file, of the user or the system."""
        system = self.system_config_dir
        return (
            self.config_file.exists()
            or (system / "config.toml").exists()
            or any((system / "config.d").glob("*.toml"))
        )


def environment() -> Mapping[str, str]:
    """Return the environment of this process."""
    return os.environ


def find_paths(
    environ: Mapping[str, str], *, uid: int | None = None, platform: str = sys.platform
) -> Paths:
    """Return the paths for *environ*; raises `fix-configuration` if no socket is possible."""
    uid = os.geteuid() if uid is None else uid
    home = Path(environ.get("HOME") or "/")
    config_home = _xdg(environ, "XDG_CONFIG_HOME", home / ".config")
    state_dir = _xdg(environ, "XDG_STATE_HOME", home / ".local/state") / "credward"
    named = environ.get("CREDWARD_SOCKET")
    if named:
        _check_named(named, platform)
        sockets: tuple[Path, ...] = (Path(named),)
    else:
        found = _search_order(environ, home, state_dir, uid, platform)
        sockets = tuple(each for each in found if _fits(each, platform))
    if not sockets:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            "all possible socket paths are too long: set CREDWARD_SOCKET to a shorter one",
        )
    alone = environ.get("CREDWARD_CONFIG")
    return Paths(
        config_file=Path(alone) if alone else config_home / "credward" / "config.toml",
        config_alone=bool(alone),
        config_dir=config_home / "credward",
        system_config_dir=_system_config_dir(platform),
        state_dir=state_dir,
        sockets=sockets,
        socket=sockets[0],
        socket_named=bool(named),
    )


def candidate_sockets(paths: Paths) -> tuple[Path, ...]:
    """Return where clients look, in order."""
    return paths.sockets


def _check_named(named: str, platform: str) -> None:
    # A leading @ would be an abstract address, which has no owner and no permissions.
    if not named.startswith("/"):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'CREDWARD_SOCKET "{named}" is not an absolute path: set it to one that begins with /',
        )
    if not _fits(Path(named), platform):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            "the path in CREDWARD_SOCKET is longer than a socket path may be: "
            "set it to a shorter one",
        )


def _search_order(
    environ: Mapping[str, str], home: Path, state_dir: Path, uid: int, platform: str
) -> list[Path]:
    order = []
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/"):
        order.append(Path(runtime) / "credward" / _SOCKET)
    if platform == "darwin":
        order.append(home / "Library/Application Support/credward/run" / _SOCKET)
    else:
        own = Path(f"/run/user/{uid}")
        if is_private(own, uid):
            order.append(own / "credward" / _SOCKET)
        order.append(state_dir / "run" / _SOCKET)
    order.append(SYSTEM_SOCKET)
    # The system's socket comes last; only a system daemon, which names it, listens there.
    return list(dict.fromkeys(order))


def is_private(directory: Path, uid: int) -> bool:
    """Whether *directory* is a real directory only for *uid*, as the login manager makes it."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o077


def _fits(path: Path, platform: str) -> bool:
    return len(os.fsencode(path)) <= _LONGEST.get(platform, 107)


def _xdg(environ: Mapping[str, str], name: str, default: Path) -> Path:
    # A relative path in an XDG variable must be ignored (XDG base directory specification).
    value = environ.get(name, "")
    return Path(value) if value.startswith("/") else default


def _system_config_dir(platform: str) -> Path:
    if platform == "darwin":
        return Path("/Library/Application Support/credward")
    return Path("/etc/credward")
