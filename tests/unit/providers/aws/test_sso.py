"""The kept login at IAM Identity Center, against a server that keeps its rules."""

from __future__ import annotations

import time

import pytest

from credward.errors import BrokerError, Kind, Recovery
from credward.providers.aws.client import Aws
from credward.providers.aws.provider import AwsProvider
from credward.providers.aws.sso import read_login, refresh
from credward.providers.aws.sso_login import log_in_device
from fakes.aws_sso import START_URL
from unit.providers.aws.sso_world import REGION, aged, mint, request
from waiting import PATIENCE


@pytest.fixture
def aws(io):
    return Aws("deploy", io, timeout=3)


def test_t9_a_rotated_refresh_token_is_kept_before_the_keys_are_asked_for(sso, aws, io):
    """Whatever happens then, the new one is on disk; the old one is never shown again."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.calls.clear()
    seen = []
    sso.broken["/federation/credentials"] = (503, "text/html", b"<html>")
    with pytest.raises(BrokerError) as caught:
        mint(io, aged(login, access_expires_at=io.now() + 200))
    seen.extend(sso.calls)
    (kept,) = io.kept
    sso.broken.clear()
    token = mint(io, kept.secret)

    assert seen == ["/token", "/federation/credentials"]
    # The portal does not use the grant up: nothing about it is uncertain.
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_UNREACHABLE, "no")
    renewed = read_login("deploy", kept.secret)
    assert renewed.refresh_token == sso.refresh_token != login.refresh_token
    assert renewed.client_id == login.client_id
    assert token.kind == "aws"


def test_a_refresh_token_that_is_not_replaced_stays(sso, aws, io):
    """AWS may rotate, and may not."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.rotates = False
    renewed = refresh(aws, login, region=REGION)

    assert renewed.refresh_token == login.refresh_token
    assert renewed.access_token != login.access_token


@pytest.mark.parametrize(
    "change",
    [
        {"refresh_token": "used"},
        {"refresh_token": None},
        {"client_expires_at": 1.0},
        {"client_secret": "wrong"},
    ],
)
def test_what_only_a_human_can_mend(sso, aws, io, change):
    """A reused token, none, and a registration that is over or forgotten."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    with pytest.raises(BrokerError, match="run credward login deploy") as caught:
        mint(io, aged(login, access_expires_at=0.0, **change))

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.LOGIN_REQUIRED, "no")
    assert caught.value.failure.recovery is Recovery.REAUTHORIZE
    assert io.kept == []


def test_an_access_token_that_ended_early_is_renewed(sso, aws, io):
    """A clock that is behind is no reason to ask a human."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.access_tokens.clear()
    sso.calls.clear()
    token = mint(io, aged(login))

    assert sso.calls == ["/federation/credentials", "/token", "/federation/credentials"]
    assert token.kind == "aws"
    assert len(io.kept) == 1


def test_a_refresh_token_alone_is_kept(sso, aws, io):
    """Of an answer that is broken otherwise: its predecessor may be used up."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.broken["/token"] = (200, "application/json", b'{"refreshToken": "next", "expiresIn": 9}')
    with pytest.raises(BrokerError) as caught:
        mint(io, aged(login, access_expires_at=0.0))
    (kept,) = io.kept

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert read_login("deploy", kept.secret).refresh_token == "next"
    assert not read_login("deploy", kept.secret).good(io.now())


def test_the_end_of_the_session_is_noticed(sso, aws, io):
    """By an access token that should have been good, and a refresh token that is not."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.end_sessions()
    with pytest.raises(BrokerError, match="run credward login deploy") as caught:
        mint(io, aged(login))

    assert caught.value.failure.recovery is Recovery.REAUTHORIZE


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, "text/html", b"<html>"), Kind.PROVIDER_REFUSED),
        ((200, "application/json", b""), Kind.PROVIDER_REFUSED),
        ((200, "application/json", b"{}"), Kind.PROVIDER_REFUSED),
        ((200, "application/json", b'{"accessToken": "a"}'), Kind.PROVIDER_REFUSED),
        ((200, "application/json", b'{"accessToken": "a", "expiresIn": 0}'), Kind.PROVIDER_REFUSED),
        (
            (200, "application/json", b'{"accessToken": "a", "expiresIn": -5}'),
            Kind.PROVIDER_REFUSED,
        ),
        ((200, "application/json", b'{"accessToken": "", "expiresIn": 5}'), Kind.PROVIDER_REFUSED),
        ((302, "text/html", b""), Kind.PROVIDER_REFUSED),
        ((500, "text/html", b"<html>"), Kind.PROVIDER_UNREACHABLE),
        ((200, "application/json", b"x" * 70_000), Kind.PROVIDER_REFUSED),
    ],
)
def test_t6_after_a_bad_answer_the_refresh_token_may_be_used_up(sso, aws, io, answer, kind):
    """Nobody knows, and the failure says so; nothing is kept of it."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.broken["/token"] = answer
    with pytest.raises(BrokerError) as caught:
        mint(io, aged(login, access_expires_at=0.0))

    assert (caught.value.kind, caught.value.failure.sent, io.kept) == (kind, "maybe", [])


def test_t6_a_hang_ends_by_the_transport(sso, aws, io):
    """At the request's time limit, with the grant in doubt."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.hang.add("/token")
    started = time.monotonic()
    with pytest.raises(BrokerError) as caught:
        mint(io, aged(login, access_expires_at=0.0))

    assert time.monotonic() - started < PATIENCE
    assert (caught.value.kind, caught.value.failure.sent) == (Kind.TIMED_OUT, "maybe")


def test_a_login_that_cannot_be_renewed_tells_its_end(sso, aws, io):
    """Where Identity Center gives no refresh token."""
    sso.gives_refresh_token = False
    grant = AwsProvider().login(request(None), io, "device")

    assert 3500 < grant.ends_at - io.now() <= 3601


def test_logs_out(sso, aws, io):
    """And the grant is worth nothing any more."""
    grant = AwsProvider().login(request(None), io, "device")
    AwsProvider().revoke(request(grant.secret), io)

    with pytest.raises(BrokerError, match="run credward login deploy"):
        mint(io, grant.secret)


def test_a_logout_renews_an_access_token_that_has_ended(sso, aws, io):
    """Else the login would go on at the portal, though nobody here knows it any more."""
    grant = AwsProvider().login(request(None), io, "device")
    sso.access_tokens.clear()
    AwsProvider().revoke(request(grant.secret), io)

    assert sso.refresh_token is None


def test_a_login_that_is_over_needs_no_logout(sso, aws, io):
    """Nobody is told to log in in order to log out; but what was not reached was not ended."""
    grant = AwsProvider().login(request(None), io, "device")
    sso.end_sessions()
    AwsProvider().revoke(request(grant.secret), io)
    sso.broken["/token"] = (503, "text/html", b"<html>")

    with pytest.raises(BrokerError) as caught:
        AwsProvider().revoke(request(grant.secret), io)
    assert caught.value.kind is Kind.PROVIDER_UNREACHABLE
