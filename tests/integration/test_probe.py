"""One request of one token to the service behind a credential: by the whole daemon, over its socket."""

from __future__ import annotations

import json
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import trustme

from canaries import MARK
from credward.cli.live import result_of
from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.wire import Probe, ProbeResult
from fakes.entra_server import unsigned
from fakes.google_server import Google, serving
from fakes.model_service import AwsKeys, Given, ModelService
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from waiting import PATIENCE, until

KEYS = AwsKeys(
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    # Not a secret of anybody; canaries in files would be found.
    secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    region="eu-central-1",
)
HAIKU = "claude-haiku-5-5"
PLACE = "/v1/projects/my-project/locations/europe-west1"


@pytest.fixture
def service() -> Iterator[ModelService]:
    """Run the service that is asked."""
    with ModelService() as running:
        yield running


def probe(daemon: RunningDaemon, name: str, **wanted: Any) -> ProbeResult:
    client = Client([daemon.socket], PATIENCE, named=True)
    return client.probe(name, Probe(**wanted), timeout=PATIENCE)


def failure(daemon: RunningDaemon, name: str, **wanted: Any) -> BrokerError:
    with pytest.raises(BrokerError) as caught:
        probe(daemon, name, **wanted)
    return caught.value


def gateway(url: str, more: str = "") -> str:
    """Return a credential that hands out a canary, for the server at *url*."""
    return (
        '[credentials.gateway]\nprovider = "static"\nsecret = { env = "CANARY_SECRET" }\n'
        f'base_url = "{url}"\n{more}'
    )


# --- each form ---------------------------------------------------------------------------------


class Place:
    """Where a form's credential is configured: *folder* is outside the daemon's home."""

    def __init__(self, daemon: RunningDaemon, url: str, folder: Path, stack: ExitStack) -> None:
        self.daemon, self.url, self.folder, self.stack = daemon, url, folder, stack

    def program(self, answer: dict[str, Any]) -> Path:
        """Return a program that prints *answer*."""
        program = self.folder / "answers"
        program.write_text(f"#!/bin/sh\necho '{json.dumps(answer)}'\n")
        program.chmod(0o755)
        return program


def aws(place: Place) -> str:
    """Return keys of a role, which a profile has from a program."""
    ends = datetime.fromtimestamp(time.time() + 3000, UTC).isoformat()
    program = place.program(
        {
            "Version": 1,
            "AccessKeyId": KEYS.access_key_id,
            "SecretAccessKey": KEYS.secret_access_key,
            "SessionToken": f"{MARK}-session",
            "Expiration": ends,
        }
    )
    files = place.daemon.home / ".aws"
    files.mkdir()
    (files / "config").write_text(f"[profile work]\ncredential_process = {program}\n")
    return (
        f'[credentials.it]\nprovider = "aws"\nprofile = "work"\nregion = "{KEYS.region}"\n'
        f'base_url = "{place.url}"\n'
    )


def bedrock_key(place: Place) -> str:
    return aws(place) + 'derive = "bedrock-api-key"\n'


def vertex(place: Place) -> str:
    google = place.stack.enter_context(serving(Google()))
    return (
        '[credentials.it]\nprovider = "gcp"\nsource = "metadata"\n'
        f'metadata_host = "127.0.0.1:{google.port}"\n'
        f'project = "my-project"\nregion = "europe-west1"\nbase_url = "{place.url}/v1"\n'
    )


def foundry(place: Place) -> str:
    ends = int(time.time()) + 3000
    token = unsigned({"uti": "uti-az", "exp": ends})
    az = place.program({"accessToken": token, "expires_on": ends, "tokenType": "Bearer"})
    az = az.rename(az.with_name("az"))
    return (
        f'[credentials.it]\nprovider = "entra"\nsource = "{az}"\nresource = "my-res"\n'
        f'base_url = "{place.url}/anthropic"\n'
    )


def console_key(place: Place) -> str:
    return (
        '[credentials.it]\nprovider = "anthropic"\napi_key = { env = "CANARY_SECRET" }\n'
        f'base_url = "{place.url}"\n'
    )


def any_gateway(place: Place) -> str:
    return gateway(f"{place.url}/team").replace("gateway", "it")


@pytest.mark.parametrize(
    ("configure", "name", "path", "headers"),
    [
        (any_gateway, "gateway", "/team/v1/messages", {"authorization", "x-api-key"}),
        (console_key, "claude", "/v1/messages", {"authorization", "x-api-key"}),
        (bedrock_key, "bedrock", f"/model/global.anthropic.{HAIKU}/invoke", {"authorization"}),
        (aws, "bedrock", f"/model/global.anthropic.{HAIKU}/invoke", {"authorization"}),
        (
            vertex,
            "vertex",
            f"{PLACE}/publishers/anthropic/models/{HAIKU}:rawPredict",
            {"authorization"},
        ),
        (foundry, "foundry", "/anthropic/v1/messages", {"authorization"}),
    ],
)
def test_asks_each_service_in_its_form(
    start_daemon: DaemonFactory,
    service: ModelService,
    configure: Callable[[Place], str],
    name: str,
    path: str,
    headers: set[str],
    tmp_path: Path,
) -> None:
    """One request of one token, as Claude Code sends it; AWS keys sign it."""
    service.keys = KEYS if configure is aws else None
    service.given = Given(headers={"x-amzn-requestid": "r-1"})
    with ExitStack() as stack:
        daemon = start_daemon.prepare("")
        daemon.write_config(configure(Place(daemon, service.url, tmp_path, stack)))
        daemon.start()
        result = probe(daemon, "it")

    (received,) = service.received
    assert received.fault == ""
    assert received.path == path
    assert {"authorization", "x-api-key"} & set(received.headers) == headers
    assert (result.status, result.service, result.request_id) == (200, name, "r-1")
    assert result.address == service.url + path
    assert result_of(result).mark == "ok"


def test_signs_as_the_sdk_of_aws_does(
    start_daemon: DaemonFactory, service: ModelService, tmp_path: Path
) -> None:
    """A model with a colon, which is encoded twice in what is signed; the SDK itself is the witness."""
    model = "eu.anthropic.claude-x-v1:0"
    service.keys = KEYS
    with ExitStack() as stack:
        daemon = start_daemon.prepare("")
        daemon.write_config(aws(Place(daemon, service.url, tmp_path, stack)))
        daemon.start()
        ours = probe(daemon, "it", model=model)
    client = botocore.session.Session().create_client(
        "bedrock-runtime",
        region_name=KEYS.region,
        endpoint_url=service.url,
        aws_access_key_id=KEYS.access_key_id,
        aws_secret_access_key=KEYS.secret_access_key,
    )
    client.invoke_model(modelId=model, body=json.dumps(service.received[0].body))
    first, second = service.received

    assert (ours.status, first.fault, second.fault) == (200, "", "")
    assert first.path == second.path == "/model/eu.anthropic.claude-x-v1%3A0/invoke"


# --- what an answer means ------------------------------------------------------------------------


def anthropic_error(kind: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": f"not for {MARK}"}}


@pytest.mark.parametrize(
    ("given", "mark", "said"),
    [
        (
            Given(status=400, body=anthropic_error("invalid_request_error")),
            "warn",
            "not this request",
        ),
        (
            Given(status=401, body=anthropic_error("authentication_error")),
            "fail",
            "refuses the token",
        ),
        (Given(status=403, body=anthropic_error("permission_error")), "fail", "does not allow"),
        (Given(status=404, body=anthropic_error("not_found_error")), "fail", f"has no {HAIKU}"),
        (Given(status=404, body="nginx"), "fail", "check base_url"),
        (Given(status=429, headers={"Retry-After": "7"}), "warn", "ask again in 7 s"),
        (Given(status=500, body={"error": {"type": "auth_error"}}), "fail", "trouble of its own"),
        (Given(status=307, headers={"Location": "/v1/messages"}), "fail", "redirects"),
    ],
)
def test_tells_answers_apart_and_passes_on_no_text(
    start_daemon: DaemonFactory, service: ModelService, given: Given, mark: str, said: str
) -> None:
    """The server repeats the token wherever it can, and its text is quoted nowhere; one request each."""
    service.given = replace(given, echo=True)
    daemon = start_daemon(gateway(service.url))
    result = probe(daemon, "gateway")
    line = result_of(result)
    audit = (daemon.state_dir / "audit.log").read_text()

    assert line.mark == mark
    assert said in line.text
    assert f"HTTP {given.status}" in line.text
    assert MARK in service.received[0].headers["x-api-key"]
    assert MARK not in repr(result) + line.text + audit + daemon.log()
    assert result.request_id == ""
    assert len(service.received) == 1


def test_a_refused_token_stays_in_use(start_daemon: DaemonFactory, service: ModelService) -> None:
    """A question changes nothing for the agents: no report, no other mint."""
    service.given = Given(status=401, body=anthropic_error("authentication_error"))
    daemon = start_daemon(f'[credentials.it]\nprovider = "local"\nbase_url = "{service.url}"\n')
    first = probe(daemon, "it").token_id

    assert probe(daemon, "it").token_id == first
    assert daemon.status("it")["state"] == "fresh"


def test_the_token_leaves_after_its_line_is_written(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """As every token that is handed out, with the word `probe` for a format."""
    daemon = start_daemon(gateway(service.url))
    written: list[str] = []
    log = daemon.state_dir / "audit.log"
    service.before = lambda: written.append(log.read_text())
    result = probe(daemon, "gateway")
    lines = [json.loads(each) for each in written[0].splitlines()]

    assert [(each["action"], each["format"], each["outcome"]) for each in lines[-1:]] == [
        ("Issue", "probe", "issued")
    ]
    assert lines[-1]["token_id"] == result.token_id


# --- where it goes -------------------------------------------------------------------------------


def test_asks_allowed_hosts_only(start_daemon: DaemonFactory, service: ModelService) -> None:
    """A caller chooses among them; another host gets nothing, nor does a credential without any."""
    with ModelService() as other, ModelService() as foreign:
        daemon = start_daemon(
            gateway(service.url, f'base_urls = ["{other.url}"]\n')
            + '[credentials.anywhere]\nprovider = "local"\n'
            + '[credentials.vault]\nprovider = "vault"\naddress = "http://127.0.0.1:1"\n'
            + 'auth_method = "token"\n'
            + '[credentials.keys]\nprovider = "aws"\nprofile = "work"\n'
        )
        chosen = probe(daemon, "gateway", base_url=f"{other.url}/team")
        assert chosen.address == f"{other.url}/team/v1/messages"
        denied = failure(daemon, "gateway", base_url=foreign.url)
        nowhere = failure(daemon, "anywhere")
        elsewhere = failure(daemon, "anywhere", base_url=foreign.url)
        unplaced = failure(daemon, "keys")
        audit = (daemon.state_dir / "audit.log").read_text()

        assert (len(service.received), len(other.received), len(foreign.received)) == (0, 1, 0)
    assert denied.kind is Kind.DENIED
    assert f"not for {foreign.url}" in denied.message
    assert '"outcome":"denied"' in audit
    assert nowhere.kind is Kind.FIX_CONFIGURATION
    assert 'add base_url = "https://…" at ' in nowhere.message
    assert f'add base_url = "{foreign.url}" at ' in elsewhere.message
    assert 'add region = "…" at ' in unplaced.message


def test_policy_decides_first(
    start_daemon: DaemonFactory, service: ModelService, tmp_path: Path
) -> None:
    """Who may not have the token may not have it sent."""
    configuration = permit_all(tmp_path)
    (tmp_path / "policy/none.cedar").write_text(
        '@id("none") forbid (principal, action == Action::"Issue", resource);\n'
    )
    daemon = start_daemon(configuration + gateway(service.url))

    assert failure(daemon, "gateway").kind is Kind.DENIED
    assert service.received == []


# --- no answer ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "trusted", "trouble", "said"),
    [
        (["127.0.0.1"], True, None, "takes the token"),
        (["127.0.0.1"], False, "tls-untrusted", "set network.ca"),
        (["llm.example.com"], True, "tls-name", "for another host"),
    ],
)
def test_tells_certificates_apart(
    start_daemon: DaemonFactory,
    tmp_path: Path,
    hosts: list[str],
    trusted: bool,
    trouble: str | None,
    said: str,
) -> None:
    """What to do about each; the CA of the configuration counts, as for mints."""
    ca, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert(*hosts).configure_cert(context)
    (ca if trusted else other).cert_pem.write_to_path(tmp_path / "ca.pem")
    with ModelService(tls=context) as secure:
        daemon = start_daemon(f'[network]\nca = "{tmp_path}/ca.pem"\n' + gateway(secure.url))
        result = probe(daemon, "gateway")

    assert (result.trouble, result.status) == (trouble, 0 if trouble else 200)
    assert said in result_of(result).text


def test_nobody_there(start_daemon: DaemonFactory) -> None:
    """A closed port, and a name without an address (RFC 6761: `.invalid` has none)."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        daemon = start_daemon(
            gateway(f"http://127.0.0.1:{port}")
            + '[credentials.unknown]\nprovider = "local"\nbase_url = "https://llm.invalid"\n'
        )
        refused, unknown = probe(daemon, "gateway"), probe(daemon, "unknown")

    assert refused.trouble == "refused"
    assert unknown.trouble in {"dns", "unreachable"}
    assert result_of(unknown).kind is Kind.PROVIDER_UNREACHABLE


def test_a_service_that_hangs_holds_up_no_mint(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """Its worker is one of its own; a second question waits for nothing, a token is there at once."""
    answering = threading.Event()
    service.before = lambda: answering.wait(PATIENCE)
    daemon = start_daemon(
        f'[credentials.it]\nprovider = "local"\nbase_url = "{service.url}"\n'
        + "".join(f'[credentials.other{each}]\nprovider = "local"\n' for each in range(4))
    )
    with ThreadPoolExecutor() as asking:
        first = asking.submit(probe, daemon, "it")
        try:
            until(lambda: service.received)
            second = failure(daemon, "it")
            served = [daemon.get(f"other{each}").status for each in range(4)]
            assert not first.done()
        finally:
            answering.set()

        assert first.result().status == 200
    assert (second.kind, served) == (Kind.RATE_LIMITED, [200] * 4)
    assert probe(daemon, "it").status == 200


def test_few_services_are_asked_at_a_time(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """Each question has a worker: many of them would crowd out mints."""
    answering = threading.Event()
    service.before = lambda: answering.wait(PATIENCE)
    daemon = start_daemon(
        "".join(
            f'[credentials.it{each}]\nprovider = "local"\nbase_url = "{service.url}"\n'
            for each in range(5)
        )
    )
    with ThreadPoolExecutor() as asking:
        running = [asking.submit(probe, daemon, f"it{each}") for each in range(4)]
        try:
            until(lambda: len(service.received) == 4)
            more = failure(daemon, "it4")
        finally:
            answering.set()

        assert {each.result().status for each in running} == {200}
    assert more.kind is Kind.RATE_LIMITED
    assert more.message.startswith("4 credentials are being asked about already")


def test_one_caller_cannot_ask_without_end(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """About all credentials together; who must wait hears how long, and still gets tokens."""
    second = f'[credentials.it]\nprovider = "local"\nbase_url = "{service.url}"\n'
    daemon = start_daemon(gateway(service.url) + second)
    for _ in range(12):
        # Nothing is asked, so it costs nothing.
        assert failure(daemon, "gateway", base_url="https://evil.example").kind is Kind.DENIED
    refused = None
    for name in ["gateway", "it"] * 50:
        try:
            probe(daemon, name)
        except BrokerError as error:
            refused = error
            break

    assert refused is not None
    assert refused.kind is Kind.RATE_LIMITED
    assert 10 <= len(service.received) < 100
    assert 0 < (refused.failure.retry_after or 0) <= 6
    assert re.fullmatch(
        "you asked services too often: ask again in [1-6] s",
        refused.message,
    )
    token = f"/v1/credentials/gateway/token?client_base_url={service.url}"
    assert daemon.request("GET", token).status == 200


def test_another_name_of_an_agent_asks_no_more(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """Every program chooses what it is called."""
    daemon = start_daemon(gateway(service.url))
    script = (
        f"#!{sys.executable}\n"
        "from pathlib import Path\n"
        "from credward.client import Client\n"
        "from credward.errors import BrokerError\n"
        "from credward.wire import Probe\n"
        f"client = Client([Path({str(daemon.socket)!r})], {PATIENCE}, named=True)\n"
        "for _ in range(100):\n"
        "    try:\n"
        f"        client.probe('gateway', Probe(), timeout={PATIENCE})\n"
        "    except BrokerError as error:\n"
        "        print(error.kind.slug)\n"
        "        break\n"
    )
    asked = []
    for name in ("codex", "gemini", "codex"):
        program = daemon.runtime_dir / name
        program.write_text(script)
        program.chmod(0o700)
        done = subprocess.run(
            [program], env=daemon.environment, capture_output=True, text=True, check=True
        )
        assert done.stdout == "rate-limited\n"
        asked.append(len(service.received))

    # On a slow machine the bucket gets some back meanwhile.
    first, second, third = asked
    assert first >= 10
    assert second - first < 10 > third - second


def test_doctor_asks_the_service_last_and_only_if_told_to(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """With the model of the settings, or the one that is named."""
    daemon = start_daemon(gateway(service.url))
    said = {"ANTHROPIC_BASE_URL": service.url, "ANTHROPIC_MODEL": "model-of-the-shell"}
    silent = cli(daemon, "doctor", "gateway", **said)
    assert (len(service.received), "upstream" in silent.stdout) == (0, False)
    asked = cli(daemon, "doctor", "gateway", "--live", **said)
    named = cli(daemon, "doctor", "gateway", "--live", "--model", "another", **said)
    alone = cli(daemon, "doctor", "gateway", "--model", "another", **said)

    assert asked.stdout.splitlines()[-1].startswith(
        f"ok   upstream: {service.url}/v1/messages takes the token"
    )
    assert "(model model-of-the-shell, HTTP 200" in asked.stdout
    assert "(model another, HTTP 200" in named.stdout
    assert alone.returncode == 64
    assert "run credward doctor --help" in alone.stderr


def test_doctor_asks_for_both_models_of_the_agent(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """Each has its line: the small one is used for titles and searches, and may be missing alone."""
    daemon = start_daemon(gateway(service.url))
    said = {"ANTHROPIC_MODEL": "large", "ANTHROPIC_DEFAULT_HAIKU_MODEL": "small"}
    found = cli(
        daemon, "doctor", "gateway", "--live", ANTHROPIC_BASE_URL=service.url, **said
    ).stdout

    assert [each.partition("(")[2].partition(",")[0] for each in found.splitlines()[-2:]] == [
        *("model large", "model small")
    ]
    assert len(service.received) == 2


def test_doctor_asks_at_the_path_that_the_agent_will_use(
    start_daemon: DaemonFactory, service: ModelService
) -> None:
    """A wrong one is seen, with the whole address, and it is not said that the token was taken."""
    service.given = Given(status=404, body=anthropic_error("not_found_error"))
    daemon = start_daemon(gateway(service.url))
    asked = cli(daemon, "doctor", "gateway", "--live", ANTHROPIC_BASE_URL=f"{service.url}/v1")
    (received,) = service.received

    assert received.path == "/v1/v1/messages"
    (line,) = [each for each in asked.stdout.splitlines() if "upstream" in each]
    assert line.startswith(f"fail upstream: {service.url}/v1/v1/messages has no {HAIKU}, or ")
    assert "check base_url, to which /v1/messages is added" in line
    assert "takes the token" not in line
