"""Before a long run: what ends too early is asked for now, once for each login.

`lasting` judges; the login is that of `credward login`.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Collection

from credward.cli.lasting import forecast
from credward.cli.output import say
from credward.client import Client
from credward.errors import BrokerError, Kind

__all__ = ["make_last"]


def make_last(client: Client, names: Collection[str], seconds: float, *, anyway: bool) -> None:
    """Ask for the logins of these credentials that end within *seconds*; say what is unknown.

    Raises `login-required` if one of them would still end, unless *anyway*.
    """
    found = forecast(client.statuses(), names, seconds)
    for each in found.logins("unknown"):
        say(f"credward: note: {each.line}")
    ending = found.logins("ends")
    if ending and _at_a_terminal():
        for each in ending:
            say(f"credward: {each.line}: log in now")
            _log_in(each.credential)
        ending = forecast(client.statuses(), names, seconds).logins("ends")
        remedy = "run it for a shorter time"
    else:
        commands = [f"credward login {each.credential}" for each in ending]
        remedy = f"run {' and '.join(commands)}, then run this again"
    if not anyway and found.failures:
        raise BrokerError(Kind.FIX_CONFIGURATION, found.failures[0])
    for failure in found.failures:
        say(f"credward: note: {failure}")
    if not ending:
        return
    text = ", ".join(each.line for each in ending)
    if not anyway:
        raise BrokerError(Kind.LOGIN_REQUIRED, f"{text}: {remedy}, or add --anyway")
    say(f"credward: note: {text}")


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _log_in(name: str) -> None:
    from credward.cli.login import command as login

    # Standard output is the command's.
    with contextlib.redirect_stdout(sys.stderr):
        login.main([name], prog_name="credward login", standalone_mode=False)
