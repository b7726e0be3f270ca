"""A worker that logs in at IAM Identity Center, and the human at its other end; for the tests beside this."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import msgspec

from credward.clock import SystemClock
from credward.providers.aws.provider import AwsProvider
from credward.providers.aws.sso import SsoLogin
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.aws import Settings
from credward.settings.network import NetworkSettings
from credward.tokens import Secret
from fakes.aws_sso import START_URL, AwsSso

REGION = "eu-central-1"
SETTINGS = Settings(
    sso_start_url=START_URL,
    sso_region=REGION,
    sso_account_id="123456789012",
    sso_role_name="Agent",
    timeout=3,
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
            Machine(
                clock=SystemClock(),
                now=SystemClock().now(),
                environ={"AWS_ENDPOINT_URL": sso.url},
                transport=lambda: self.transport,
            ),
            credential="deploy",
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


def request(grant: Secret | None) -> ProviderRequest:
    return ProviderRequest(credential="deploy", settings=SETTINGS, grant=grant)


def mint(io, grant):
    return AwsProvider().mint(request(grant), io)


def aged(login: SsoLogin, **changes) -> Secret:
    return Secret(msgspec.json.encode(msgspec.structs.replace(login, **changes)).decode())
