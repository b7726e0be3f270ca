"""Logins at IAM Identity Center, against a server that keeps its rules."""

from __future__ import annotations

import json
import time

import pytest

from canaries import MARK
from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws
from credward.providers.aws.provider import AwsProvider
from credward.providers.aws.sso import read_login
from credward.providers.aws.sso_login import log_in_browser, log_in_device
from fakes.aws_sso import START_URL
from unit.providers.aws.sso_world import REGION, mint, request


@pytest.fixture
def aws(io):
    return Aws("deploy", io, timeout=0.5)


@pytest.mark.parametrize("method", ["browser", "device"])
def test_a_login_gives_what_mints_need(sso, io, method):
    """Then keys come without a refresh, by the access token that is there."""
    grant = AwsProvider().login(request(None), io, method)
    sso.calls.clear()
    token = mint(io, grant.secret)

    assert sso.calls == ["/federation/credentials"]
    assert (token.kind, io.kept, grant.ends_at) == ("aws", [], None)
    assert 3500 < token.expires_at - time.time() <= 3601
    assert json.loads(token.secret.reveal())["AccessKeyId"] == token.upstream_id
    assert MARK not in repr(read_login("deploy", grant.secret))


def test_the_browser_proves_itself(sso, aws, io):
    """State and PKCE: another login's redirect, a refusal and a stolen code bring nothing."""
    for redirect, complaint in (
        (lambda query: query | {"state": "other"}, "belongs to another login"),
        (lambda query: {"state": query["state"], "error": "access_denied"}, "refused in the"),
        (lambda query: query | {"code": "stolen"}, "login has expired"),
    ):
        io.redirect = redirect
        with pytest.raises(BrokerError, match=complaint) as caught:
            log_in_browser(aws, io, start_url=START_URL, region=REGION)
        assert MARK not in f"{caught.value}{caught.value.__context__}"


def test_a_device_code_is_polled_as_told(sso, aws, io):
    """Pending keeps the pace, slow_down lengthens it by five seconds (RFC 8628 section 3.5)."""
    sso.pending, sso.slow_down = 3, frozenset({2})
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)

    assert io.waits == [1.0, 1.0, 6.0, 6.0]
    assert io.shown[0]["user_code"] == "ABCD-EFGH"
    assert io.shown[0]["complete_url"].endswith("user_code=ABCD-EFGH")
    assert login.good(io.now())


def test_a_lost_poll_slows_down_and_goes_on(sso, aws, io):
    """The human may be done while the network is not."""
    sso.broken["/token"] = (503, "text/html", b"<html>")
    waits = io.wait

    def wait(seconds):
        waits(seconds)
        if len(io.waits) == 3:
            sso.broken.clear()

    io.wait = wait
    assert log_in_device(aws, io, start_url=START_URL, region=REGION).access_token
    assert io.waits == [1.0, 2.0, 4.0]


def test_a_device_code_ends(sso, aws, io):
    """By the human's no, or by time."""
    sso.denied = True
    with pytest.raises(BrokerError, match="was told no") as caught:
        log_in_device(aws, io, start_url=START_URL, region=REGION)
    assert caught.value.kind is Kind.PROVIDER_REFUSED
    sso.denied, sso.pending = False, 10_000
    with pytest.raises(BrokerError, match="nobody entered the code in time"):
        log_in_device(aws, io, start_url=START_URL, region=REGION)
    assert sum(io.waits) <= 602
