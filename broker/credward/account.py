"""The account of a daemon: home from the passwd database, other directories as recorded.

Never from the environment of the caller that needs a daemon first: a repository's settings can set
HOME, XDG_CONFIG_HOME, or a bus address that runs a program. Set-up records the owner's own
environment (`recorded`).
"""

from __future__ import annotations

import os
import pwd
import stat
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

from credward.errors import BrokerError, Kind
from credward.paths import is_private
from credward.recorded import BUS, LASTING, RECORDED, fault_of, read_record

__all__ = ["Account", "account_home", "find_account", "record_of", "unusual_values"]

_FIXED_PATH = "/usr/local/bin:/usr/bin:/bin"
# Where login managers make a directory for each user (pam_systemd(8)).
_LOGIN = Path("/run/user")


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of a daemon. *recorded*: what set-up recorded, by variable."""

    uid: int
    name: str
    home: Path
    recorded: Mapping[str, str]

    def environment(self) -> dict[str, str]:
        """Return the whole environment of a daemon of this account."""
        recorded = {
            name: value for name, value in self.recorded.items() if self._still_good(name, value)
        }
        return {
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "PATH": _FIXED_PATH,
            **_made_at_login(self.uid),
            **recorded,
        }

    def lasting_places(self) -> dict[str, str]:
        """Return what a daemon of this account needs if a service manager starts it.

        The manager's own runtime directory and bus are the current ones.
        """
        return {name: self.recorded[name] for name in LASTING if name in self.recorded}

    def never_followed(self, environ: Mapping[str, str]) -> str | None:
        """Return the variable of *environ* that leads elsewhere and is never recorded, if any."""
        if Path(environ.get("HOME") or self.home) != self.home:
            return "HOME"
        return "CREDWARD_CONFIG" if environ.get("CREDWARD_CONFIG") else None

    def _still_good(self, name: str, value: str) -> bool:
        # If a directory ended with its session, the usual one works as well. If a configuration or
        # store is gone, another one would be wrong.
        if name in LASTING:
            return True
        return _has_socket(value) if name == BUS else is_private(Path(value), self.uid)


def find_account() -> Account:
    """Return the account of this process.

    Raises `not-running` if the passwd database has no home for it, and `fix-configuration` if the
    record cannot be used.
    """
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise _homeless(uid) from None
    home = Path(entry.pw_dir)
    if not home.is_absolute():
        raise _homeless(uid)
    recorded = read_record(record_of(home), uid)
    return Account(uid=uid, name=entry.pw_name, home=home, recorded=recorded)


def account_home(uid: int) -> Path | None:
    """Return the home of an account, ignoring HOME, links resolved; None if it has none."""
    try:
        return Path(pwd.getpwuid(uid).pw_dir).resolve()
    except (KeyError, OSError):
        return None


def record_of(home: Path) -> Path:
    """Return where set-up records, for the account with this *home*."""
    return home / ".config/credward/start.env"


def unusual_values(account: Account, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the part of *environ* that names unusual directories."""
    usual = {
        "XDG_CONFIG_HOME": f"{account.home}/.config",
        "XDG_STATE_HOME": f"{account.home}/.local/state",
        "XDG_RUNTIME_DIR": f"{_LOGIN}/{account.uid}",
        BUS: _bus(account.uid),
    }
    said = {name: environ[name] for name in RECORDED if environ.get(name)}
    return {
        name: value
        for name, value in said.items()
        if value.rstrip("/") != usual[name] and fault_of(name, value) is None
    }


def _homeless(uid: int) -> BrokerError:
    return BrokerError(
        Kind.NOT_RUNNING,
        f"the daemon is not running, and the passwd database has no home for uid {uid} to start "
        "one: run credward daemon start",
    )


def _made_at_login(uid: int) -> dict[str, str]:
    """Return the runtime directory and the session bus, if a login manager made them."""
    directory = _LOGIN / str(uid)
    if sys.platform != "linux" or not is_private(directory, uid):
        return {}
    found = {"XDG_RUNTIME_DIR": str(directory)}
    if _is_socket(directory / "bus"):
        found[BUS] = _bus(uid)
    return found


def _has_socket(address: str) -> bool:
    """Return whether a bus may be at *address*; only one with a path can be looked for."""
    kind, _, value = address.partition(",")[0].partition("=")
    return kind != "unix:path" or _is_socket(Path(value))


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


def _bus(uid: int) -> str:
    return f"unix:path={_LOGIN}/{uid}/bus"
