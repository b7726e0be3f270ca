"""An identity provider that accepts and never answers, for each kind of provider, with the whole daemon.

Whoever can be served notices nothing; whoever cannot hears so in time; everybody else is unaffected.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from credward.processes import descendants
from fakes import anthropic_oauth, google_server, vault_server
from fakes.aws_sso import START_URL, serving_sso
from fakes.entra_server import CLIENT, SECRET, TENANT, entra_server
from fakes.oauth_server import OAuthServer
from fakes.relay import Relay
from integration.daemon import Answer, DaemonFactory, RunningDaemon, permit_all
from integration.minting import MintProgram
from marks import quick
from waiting import PATIENCE, until

# Where tokens are to be sent, which counts for those that are bound to it.
API = "https://api.anthropic.com"
# Of each mint (seconds): shorter than by default, so that the end can be waited for.
TIMEOUT = 8
# That a caller without a token waits (seconds).
DEADLINE = 3.0
# What no caller that can be served waits longer than, even where all stood still for a while: less
# than what is left of a hung mint by then (seconds).
NORMAL = 4.0
# Of a mint that is cut short by the kill of its worker, which comes two seconds later (seconds).
SHORT = 4


@dataclass(kw_only=True)
class Far:
    """One provider's far side. *held*, *cold* and *bare* (without a grant) are settings of credentials behind *relay*.

    *fine* is asked elsewhere. Without a relay it hangs in a way of its own.
    """

    held: str
    cold: str
    fine: str
    bare: str
    relay: Relay | None = None
    hang: Callable[[], None] = field(init=False)
    resume: Callable[[], None] = field(init=False)
    trickle: Callable[[], None] = field(init=False)
    environment: dict[str, str] = field(default_factory=dict)
    # Refresh tokens and the like, by credential.
    grants: dict[str, str] = field(default_factory=dict)
    ca: str | None = None

    def __post_init__(self) -> None:
        if self.relay is not None:
            self.hang, self.resume = self.relay.hang, self.relay.resume
            self.trickle = self.relay.trickle


def _relay(stack: ExitStack, url: str) -> tuple[Relay, str]:
    """Return a relay before the server at *url*, and the same URL through it."""
    parts = urlsplit(url)
    assert parts.port is not None
    relay = stack.enter_context(Relay(parts.port))
    return relay, parts._replace(netloc=f"127.0.0.1:{relay.port}").geturl()


def _oauth(stack: ExitStack, _folder: Path) -> Far:
    server, live = stack.enter_context(OAuthServer()), stack.enter_context(OAuthServer())
    relay, server.issuer = _relay(stack, server.issuer)
    words = 'client_id = "client-1"\ngrant_type = "refresh_token"\n'
    return Far(
        held=f'issuer = "{server.issuer}"\nscope = "held"\n{words}',
        cold=f'issuer = "{server.issuer}"\nscope = "cold"\n{words}',
        fine=f'issuer = "{live.issuer}"\nscope = "fine"\n{words}',
        bare=(
            f'issuer = "{server.issuer}"\nclient_id = "client-1"\n'
            'grant_type = "client_credentials"\nclient_secret = { env = "CLIENT_SECRET" }\n'
        ),
        environment={"CLIENT_SECRET": "client-secret"},
        grants={
            "held": server.grant("held"),
            "cold": server.grant("cold"),
            "fine": live.grant("fine"),
        },
        relay=relay,
    )


def _entra(stack: ExitStack, folder: Path) -> Far:
    server = stack.enter_context(entra_server(folder))
    direct = server.https
    relay, hung = _relay(stack, direct)
    discover = server._discover

    def discovered(tenant: str) -> tuple[int, dict[str, object]]:
        # One server under two addresses: each tenant is told the one that it was asked at.
        server.https = direct if tenant == "live.example" else hung
        return discover(tenant)

    server._discover = discovered  # type: ignore[method-assign]
    words = f'client_id = "{CLIENT}"\nclient_secret = {{ env = "ENTRA_SECRET" }}\n'
    cold = f'authority = "{hung}"\ntenant = "{TENANT}"\nscope = "api://cold/.default"\n{words}'
    far = Far(
        held=f'authority = "{hung}"\ntenant = "{TENANT}"\nscope = "api://held/.default"\n{words}',
        cold=cold,
        bare=cold,
        fine=f'authority = "{direct}"\ntenant = "live.example"\nscope = "api://fine/.default"\n{words}',
        environment={"ENTRA_SECRET": SECRET},
        relay=relay,
        ca=server.ca,
    )
    # Not its handshake, which has a limit of its own.
    far.trickle = lambda: setattr(server, "trickles", TENANT)
    return far


def _aws(stack: ExitStack, folder: Path) -> Far:
    server = stack.enter_context(serving_sso())
    server.more_roles = frozenset({"held", "cold"})
    server.clients["client"] = {"secret": "client-secret"}
    server.access_tokens["access-token"] = time.time() + 3600
    # What STS says does not matter where nobody hears the end of it.
    server.broken["/"] = (403, "text/xml", b"<ErrorResponse/>")
    relay, url = _relay(stack, server.url)
    login = {
        "access_token": "access-token",
        "access_expires_at": time.time() + 3600,
        "client_id": "client",
        "client_secret": "client-secret",
        "client_expires_at": time.time() + 3600,
    }
    ends = datetime.fromtimestamp(time.time() + 3600, UTC).isoformat()
    keys = {"Version": 1, "AccessKeyId": "ASIA1", "SecretAccessKey": "s", "SessionToken": "t"}
    (folder / "keys.json").write_text(json.dumps(keys | {"Expiration": ends}))
    (folder / "aws").write_text(
        f"[profile fine]\ncredential_process = cat {folder / 'keys.json'}\nregion = eu-central-1\n"
    )
    words = (
        f'sso_start_url = "{START_URL}"\nsso_region = "eu-central-1"\n'
        f'sso_account_id = "{server.assigned[0]}"\n'
    )
    return Far(
        held=f'{words}sso_role_name = "held"\n',
        cold=f'{words}sso_role_name = "cold"\n',
        fine='profile = "fine"\n',
        bare=(
            'role_arn = "arn:aws:iam::123456789012:role/bare"\nregion = "eu-central-1"\n'
            'web_identity_token = { env = "IDENTITY" }\n'
        ),
        environment={
            "AWS_ENDPOINT_URL": url,
            "AWS_CONFIG_FILE": str(folder / "aws"),
            "IDENTITY": "a.b.c",
        },
        grants={"held": json.dumps(login)},
        relay=relay,
    )


def _gcp(stack: ExitStack, _folder: Path) -> Far:
    google = stack.enter_context(google_server.serving(google_server.Google()))
    relay = stack.enter_context(Relay(google.port))
    words = 'source = "metadata"\nmetadata_host = "127.0.0.1:{}"\n'
    return Far(
        held=words.format(relay.port),
        cold=words.format(relay.port) + 'scopes = ["https://www.googleapis.com/auth/pubsub"]\n',
        fine=words.format(google.port),
        bare=words.format(relay.port),
        relay=relay,
    )


def _vault(stack: ExitStack, _folder: Path) -> Far:
    server = stack.enter_context(vault_server.serving(time.time))
    server.logins["approle"] = {"role_id": "role-1"}
    server.secret_ids.add("secret-id")
    server.dynamic["engine/creds/held"] = {"token": "held-{n}"}
    server.dynamic["engine/creds/cold"] = {"token": "cold-{n}"}
    server.dynamic["engine/creds/fine"] = {"token": "fine-{n}"}
    relay, hung = _relay(stack, server.url)
    words = (
        'auth_method = "approle"\nrole_id = "role-1"\nsecret_id = { env = "SECRET_ID" }\n'
        'field = "token"\n'
    )
    return Far(
        held=f'address = "{hung}"\npath = "engine/creds/held"\n{words}',
        cold=f'address = "{hung}"\npath = "engine/creds/cold"\n{words}',
        fine=f'address = "{server.url}"\npath = "engine/creds/fine"\n{words}',
        bare=(
            f'address = "{hung}"\npath = "secret/data/bare"\nkv_version = 2\nfield = "token"\n'
            'auth_method = "token"\ntoken = { env = "VAULT_LOGIN" }\n'
        ),
        environment={"SECRET_ID": "secret-id", "VAULT_LOGIN": "a-token"},
        relay=relay,
    )


def _anthropic(stack: ExitStack, folder: Path) -> Far:
    server = stack.enter_context(anthropic_oauth.serving())
    relay, hung = _relay(stack, server.token_url)
    (folder / "assertion").write_text(server.sign(jti=None))
    (folder / "assertion").chmod(0o600)
    words = (
        f'federation_rule_id = "{anthropic_oauth.RULE}"\n'
        f'organization_id = "{anthropic_oauth.ORGANIZATION}"\n'
        f'identity_file = "{folder / "assertion"}"\n'
        f'base_url = "{API}"\n'
    )
    return Far(
        held=f'token_url = "{hung}"\n{words}',
        cold=f'token_url = "{hung}"\nservice_account_id = "svac_cold"\n{words}',
        fine=f'token_url = "{server.token_url}"\n{words}',
        bare=f'token_url = "{hung}"\n{words}',
        relay=relay,
    )


def _command(_stack: ExitStack, folder: Path) -> Far:
    program, live = MintProgram(folder / "hung"), MintProgram(folder / "live")
    far = Far(
        held=f'command = ["{program.path}"]\n',
        cold=f'command = ["{program.path}", "cold"]\n',
        fine=f'command = ["{live.path}"]\n',
        bare=f'command = ["{program.path}"]\n',
    )
    far.hang = lambda: program.set(delay=3600)
    far.resume = lambda: program.set(delay=None)
    return far


KINDS = {
    "anthropic": _anthropic,
    "aws": _aws,
    "command": _command,
    "entra": _entra,
    "gcp": _gcp,
    "oauth": _oauth,
    "vault": _vault,
}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as entered:
        yield entered


def start(
    far: Far,
    kind: str,
    start_daemon: DaemonFactory,
    folder: Path,
    names: dict[str, str],
    *,
    timeout: int = TIMEOUT,
) -> RunningDaemon:
    """Start a daemon with these credentials, by the setting of *far* that each has."""
    blocks = [permit_all(folder)]
    if far.ca is not None:
        blocks.append(f'[network]\nca = "{far.ca}"\n')
    blocks += [
        f'[credentials.{name}]\nprovider = "{kind}"\ntimeout = {timeout}\n{settings}'
        for name, settings in names.items()
    ]
    blocks.append('[credentials.other]\nprovider = "local"\n')
    daemon = start_daemon("\n".join(blocks), environment=far.environment)
    for name, grant in far.grants.items():
        if name not in names:
            continue
        answer = daemon.hand_over(name, grant)
        assert answer.status == 200, answer.text
    if far.grants:
        # What was handed over was tried; the token that this brought is to be minted anew.
        daemon.stop()
        daemon.start()
    return daemon


class Asking(threading.Thread):
    """One question in a thread of its own: `answer`, after `seconds`."""

    def __init__(self, ask: Callable[[], Answer]) -> None:
        super().__init__(daemon=True)
        self._ask = ask
        self.answer: Answer | None = None
        self.seconds = 0.0
        self.start()

    def run(self) -> None:
        began = time.monotonic()
        self.answer = self._ask()
        self.seconds = time.monotonic() - began

    def end(self) -> Answer:
        self.join(2 * PATIENCE)
        assert self.answer is not None
        return self.answer


# The one with a grant has the most to lose.
@pytest.mark.parametrize("kind", quick("oauth", among=KINDS))
def test_t18_a_provider_that_never_answers(
    kind: str, start_daemon: DaemonFactory, stack: ExitStack, tmp_path: Path
) -> None:
    """T18: a valid token is served as ever, a missing one is an error in time, all else is unaffected."""
    far = KINDS[kind](stack, tmp_path)
    names = {"held": far.held, "cold": far.cold, "fine": far.fine}
    daemon = start(far, kind, start_daemon, tmp_path, names)
    get = partial(daemon.get, client_base_url=API)
    first = get("held", "json", timeout=60)
    assert first.status == 200, first.text
    far.hang()

    forced = Asking(lambda: daemon.request("POST", "/v1/credentials/held/refresh"))
    cold = Asking(lambda: get("cold", "json", timeout=DEADLINE))
    time.sleep(0.5)
    fine = Asking(lambda: get("fine", "json", timeout=60))
    began = time.monotonic()
    other = get("other")
    other_wait = time.monotonic() - began
    waits = []
    for _ in range(20):
        began = time.monotonic()
        answer = get("held", "json", timeout=DEADLINE)
        waits.append(time.monotonic() - began)
        assert answer.status == 200, answer.text
        assert answer.json()["token"] == first.json()["token"]
        time.sleep(0.1)

    refused = cold.end()
    assert refused.kind == "timed-out", refused.text
    assert '"cold"' in refused.json()["detail"]
    assert cold.seconds < DEADLINE + NORMAL
    assert fine.end().status == 200, fine.end().text
    # Two mints hang in what are the workers of most providers: it waited for the end of neither.
    assert fine.seconds < TIMEOUT - 1
    assert other.status == 200
    assert other_wait < NORMAL
    assert statistics.median(waits) < 1
    # The refresh that somebody forced has no other deadline than the mint's.
    assert forced.end().kind in {"timed-out", "provider-unreachable", None}
    assert get("held", "json").status == 200

    far.resume()
    # It comes back by itself, after the back-off of a failure or two.
    until(lambda: get("cold", "json", timeout=10).status == 200)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"command"}))
def test_t18_a_provider_that_answers_a_byte_at_a_time(
    kind: str, start_daemon: DaemonFactory, stack: ExitStack, tmp_path: Path
) -> None:
    """T6, T18: no limit of a single read ends it, so its worker is killed at the deadline, and no other."""
    far = KINDS[kind](stack, tmp_path)
    names = {"bare": far.bare, "fine": far.fine}
    daemon = start(far, kind, start_daemon, tmp_path, names, timeout=SHORT)
    get = partial(daemon.get, client_base_url=API)
    # Its worker is the one that hangs next.
    assert get("fine", "json").status == 200
    (hung,) = workers_of(daemon)
    far.trickle()

    bare = Asking(lambda: get("bare", "json", timeout=60))
    time.sleep(0.5)
    forced = daemon.request("POST", "/v1/credentials/fine/refresh")
    assert forced.status in {200, 204}, forced.text
    during = workers_of(daemon)
    refused = bare.end()

    assert refused.kind == "timed-out", refused.text
    assert "did not answer and was killed" in refused.json()["detail"]
    assert SHORT < bare.seconds < 30
    assert hung in during
    # A killed process takes its time to go.
    until(lambda: hung not in workers_of(daemon))
    assert workers_of(daemon) == during - {hung}
    assert get("fine", "json").status == 200


def workers_of(daemon: RunningDaemon) -> set[int]:
    """Return the process ids of its live workers, by what they run."""
    found = set()
    for process in descendants(daemon.pid):
        with suppress(OSError):
            if b"workers" in Path(f"/proc/{process.pid}/cmdline").read_bytes():
                found.add(process.pid)
    return found
