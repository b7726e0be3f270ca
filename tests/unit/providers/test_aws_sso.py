"""Our login at IAM Identity Center, against a server that keeps its rules."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from canaries import MARK
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind, Recovery
from credward.providers.aws import AwsProvider
from credward.providers.aws_client import Aws
from credward.providers.aws_sso import SsoLogin, log_in_browser, log_in_device, read_login, refresh
from credward.providers.io import WorkerIo
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.aws import Settings
from credward.settings.network import NetworkSettings
from credward.tokens import Secret
from fakes.aws_sso import START_URL, AwsSso, serving_sso

REGION = "eu-central-1"
SETTINGS = Settings(
    sso_start_url=START_URL,
    sso_region=REGION,
    sso_account_id="123456789012",
    sso_role_name="Agent",
    timeout=0.5,
)


class World(WorkerIo):
    """A worker's own view, and a human at the other end."""

    def __init__(self, sso: AwsSso) -> None:
        self.transport = Transport(NetworkSettings())
        self.kept = []
        self.shown = []
        self.waits = []
        self.sso = sso
        # What has been waited for, without waiting.
        self.slept = 0.0
        self.redirect = None
        super().__init__(
            clock=SystemClock(),
            now=SystemClock().now(),
            credential="deploy",
            environ={"AWS_ENDPOINT_URL": sso.url},
            transport=lambda: self.transport,
            keep_grant=self.kept.append,
        )

    def now(self) -> float:
        return super().now() + self.slept

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.slept += seconds

    def show_code(self, **shown) -> None:
        self.shown.append(shown)

    def receive_redirect(self, make_url, *, path="/callback", host="127.0.0.1", ports=(0,)):
        url = self.sso.browse(make_url(f"http://{host}:43210{path}"))
        query = {name: value[0] for name, value in parse_qs(urlsplit(url).query).items()}
        return self.redirect(query) if self.redirect else query


@pytest.fixture
def sso() -> Iterator[AwsSso]:
    with serving_sso() as server:
        yield server


@pytest.fixture
def io(sso):
    world = World(sso)
    yield world
    world.transport.close()


@pytest.fixture
def aws(io):
    return Aws("deploy", io, timeout=0.5)


def request(grant: Secret | None) -> ProviderRequest:
    return ProviderRequest(credential="deploy", settings=SETTINGS, grant=grant)


def mint(io, grant):
    return AwsProvider().mint(request(grant), io)


def aged(login: SsoLogin, **changes) -> Secret:
    return Secret(msgspec.json.encode(msgspec.structs.replace(login, **changes)).decode())


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
        (lambda query: query | {"code": "stolen"}, "login is over"),
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
    assert (caught.value.kind, caught.value.sent) == (Kind.PROVIDER_UNREACHABLE, "no")
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

    assert (caught.value.kind, caught.value.sent) == (Kind.LOGIN_REQUIRED, "no")
    assert caught.value.recovery is Recovery.REAUTHORIZE
    assert io.kept == []


def test_the_end_of_the_session_is_noticed(sso, aws, io):
    """By an access token that should have been good."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.end_sessions()
    with pytest.raises(BrokerError, match="run credward login deploy") as caught:
        mint(io, aged(login))

    assert caught.value.recovery is Recovery.REAUTHORIZE


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

    assert (caught.value.kind, caught.value.sent, io.kept) == (kind, "maybe", [])


def test_t6_a_hang_ends_by_the_transport(sso, aws, io):
    """At the request's time limit, with the grant in doubt."""
    login = log_in_device(aws, io, start_url=START_URL, region=REGION)
    sso.hang.add("/token")
    started = time.monotonic()
    with pytest.raises(BrokerError) as caught:
        mint(io, aged(login, access_expires_at=0.0))

    assert time.monotonic() - started < 3
    assert (caught.value.kind, caught.value.sent) == (Kind.TIMED_OUT, "maybe")


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
