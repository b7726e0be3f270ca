"""Which logins last: by what the daemon says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from credward.cli.lasting import forecast, worst
from credward.wire import CredentialStatus, Failure, GrantStatus, StatusList

NOW, HOUR = 1_800_000_000.0, 3600.0
UNKNOWN = 'how long the login of "gateway" lasts is unknown: '


def listed(grant: GrantStatus, **credential: Any) -> StatusList:
    credential.setdefault("logins", ["sso"])
    return StatusList(
        version="1",
        now=NOW,
        pid=1,
        started_at=NOW,
        credentials=[CredentialStatus(name="gateway", state="fresh", **credential)],
        grants=[grant],
    )


def grant(**words: Any) -> GrantStatus:
    return GrantStatus(name="sso", credentials=["gateway", "other"], **{"state": "valid", **words})


@pytest.mark.parametrize(
    ("found", "verdict", "line"),
    [
        (grant(ends_at=NOW + 9 * HOUR), "lasts", 'the login of "gateway" lasts 9h00m'),
        (
            grant(ends_at=NOW + 2 * HOUR, account="a@x"),
            "ends",
            'the login of "gateway" (a@x) ends in 2h00m, before 8h00m are over',
        ),
        (grant(state="needs-login"), "ends", 'the login of "gateway" is needed now'),
        (grant(state="none"), "ends", 'the login of "gateway" is needed now'),
        (
            grant(),
            "unknown",
            f"{UNKNOWN}its server does not tell",
        ),
        (
            grant(ends_at=NOW + HOUR, extended_at=NOW - 60),
            "unknown",
            f"{UNKNOWN}it ends in 1h00m, but each renewal has put that off",
        ),
        (
            grant(state="locked", ends_at=NOW + 9 * HOUR),
            "unknown",
            f"{UNKNOWN}the store is locked",
        ),
    ],
)
def test_each_login_has_a_verdict_and_a_line(found: GrantStatus, verdict: str, line: str) -> None:
    """In words for somebody who wants to go home."""
    told = forecast(listed(found), ["gateway"], 8 * HOUR)
    (login,) = told.credentials[0].logins

    assert (told.verdict, login.verdict, login.line) == (verdict, verdict, line)


def test_a_credential_without_logins_lasts() -> None:
    """Nobody has to come for it."""
    told = forecast(listed(grant(state="needs-login"), logins=[]), ["gateway"], HOUR)

    assert (told.verdict, told.credentials[0].logins) == ("lasts", [])


def test_who_else_keeps_a_login_is_said() -> None:
    """That cannot be told from here."""
    told = forecast(listed(grant(), logins=[], kept_by=["ant"]), ["gateway"], HOUR)

    assert [each.line for each in told.logins("unknown")] == [
        'how long the login of "gateway" lasts is unknown: it is kept by ant'
    ]
    assert told.logins("ends", "lasts") == []


def test_one_login_of_several_credentials_is_one() -> None:
    """It is asked for once."""
    both = listed(grant(state="none"))
    both.credentials.append(CredentialStatus(name="other", state="fresh", logins=["sso"]))

    assert len(forecast(both, ["gateway", "other"], HOUR).logins("ends")) == 1
    assert [each.name for each in forecast(both, ["other"], HOUR).credentials] == ["other"]


def test_the_worst_counts() -> None:
    """An end is worse than not knowing."""
    assert worst(iter(())) == "lasts"
    assert worst(iter(("lasts", "unknown"))) == "unknown"
    assert worst(iter(("ends", "unknown"))) == "ends"


def test_who_gets_no_token_now_does_not_last() -> None:
    """Nobody is there to mend it later; what mends itself is left to do so."""
    told = {}
    for recovery in ("fix-configuration", "retry"):
        failure = Failure(kind="fix-configuration", message="correct it", recovery=recovery)
        found = listed(grant(), logins=[], failure=failure)
        told[recovery] = forecast(found, ["gateway"], HOUR)
    assert told["fix-configuration"].verdict == "fails"
    assert told["fix-configuration"].failures == ["correct it"]
    assert (told["retry"].verdict, told["retry"].failures) == ("lasts", [])


def test_a_login_that_is_missing_is_the_reason() -> None:
    """The failure of its credential says the same."""
    failure = Failure(kind="login-required", message="log in", recovery="reauthorize")
    told = forecast(listed(grant(state="needs-login"), failure=failure), ["gateway"], HOUR)
    assert (told.verdict, told.failures) == ("ends", [])
