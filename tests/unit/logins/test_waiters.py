"""Who was refused for want of a login, and how the last try ended."""

from __future__ import annotations

import msgspec

from credward.callers.caller import Caller
from credward.errors import Failure, Kind, login_required
from credward.logins.waiters import LoginWaiters

CALLER = Caller(uid=1, gid=1, pid=7, handle="peerpidfd", ancestry_complete=True)
WRONG = Failure.of(Kind.FIX_CONFIGURATION, '"gateway" got no refresh token: add offline_access')


def test_an_agent_counts_once_until_a_login_works() -> None:
    """Whatever it starts; another grant has its own."""
    waiters = LoginWaiters()
    for pid in (7, 7, 8):
        waiters.note("team", msgspec.structs.replace(CALLER, pid=pid))

    assert (waiters.take("other"), waiters.take("team"), waiters.take("team")) == (0, 2, 0)


def test_what_asks_for_a_login_says_why_the_last_one_failed() -> None:
    """In its one line, after the command, with or without a command of its own; until one works."""
    waiters = LoginWaiters()
    needed = login_required("gateway", since=5.0, reason="AADSTS70043")
    whole = Failure.of(Kind.LOGIN_REQUIRED, '"gateway" needs a login: run az login')
    down = Failure.of(Kind.PROVIDER_UNREACHABLE, "down")
    waiters.login_failed("team", down, 6.0)
    waiters.login_failed("team", WRONG, 7.0)
    told = waiters.explained("team", needed)

    assert told.line("07:58") == (
        '"gateway" needs a login since 07:58 (AADSTS70043): run credward login gateway; '
        'the last login failed: "gateway" got no refresh token: add offline_access'
    )
    assert told.kind is Kind.LOGIN_REQUIRED
    assert waiters.explained("team", whole).message == (
        '"gateway" needs a login: run az login; '
        'the last login failed: "gateway" got no refresh token: add offline_access'
    )
    assert waiters.explained("team", down) is down
    assert waiters.explained("other", needed) is needed
    waiters.forget_failure("other")
    assert waiters.last_failure("team") is not None
    waiters.take("team")
    assert waiters.explained("team", needed) is needed
    assert waiters.last_failure("team") is None


def test_a_line_has_one_command() -> None:
    """That of the login that failed is left out, where it is known apart; nothing is edited."""
    waiters = LoginWaiters()
    needed = login_required("gateway")
    waiters.login_failed("team", login_required("gateway", reason="AADSTS50076"), 7.0)
    told = waiters.explained("team", needed)

    assert told.message == (
        '"gateway" needs a login: run credward login gateway; '
        'the last login failed: "gateway" needs a login (AADSTS50076)'
    )
    assert (told.cause, told.remedy) == (needed.cause, needed.remedy)
