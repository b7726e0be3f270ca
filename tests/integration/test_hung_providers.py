"""An identity provider that hangs, for each provider that asks one: what its callers and all others see."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from canaries import canary
from fakes import anthropic_oauth, aws_sso, entra_server, google_server, oauth_server, vault_server
from fakes.valve import Valve
from fakes.watching import until
from integration.daemon import Answer, DaemonFactory, RunningDaemon

PROVIDERS = ("anthropic", "aws", "entra", "gcp", "oauth", "vault")
ROLE = "arn:aws:iam::123456789012:role/agent"


class Bench:
    """A daemon with a credential `warm` and one `cold` of each provider, and the line to each."""

    def __init__(self, daemon: RunningDaemon, valves: Mapping[str, Valve]) -> None:
        self.daemon, self.valves = daemon, valves

    def get(self, name: str, **query: object) -> Answer:
        """Ask for a token in the one format that all of them have."""
        return self.daemon.get(name, "json", **query)


@pytest.fixture
def bench(start_daemon: DaemonFactory, tmp_path: Path) -> Iterator[Bench]:
    """Return the bench, every `warm` credential minted."""
    secrets = tmp_path / "secrets"
    secrets.mkdir()

    def write(name: str, text: str) -> str:
        path = secrets / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)

    with contextlib.ExitStack() as stack:
        anthropic = stack.enter_context(anthropic_oauth.serving())
        aws = stack.enter_context(aws_sso.serving_sso())
        entra = stack.enter_context(entra_server.entra_server(tmp_path))
        google = stack.enter_context(google_server.serving(google_server.Google()))
        oauth = stack.enter_context(oauth_server.OAuthServer(client_secret=canary("oauth")))
        vault = stack.enter_context(vault_server.serving(time.time))
        targets = {
            "anthropic": anthropic.url,
            "aws": aws.url,
            "entra": entra.https,
            "gcp": f"http://127.0.0.1:{google.port}",
            "oauth": oauth.issuer,
            "vault": vault.url,
        }
        valves = {name: stack.enter_context(Valve(url)) for name, url in targets.items()}
        # Its metadata names itself.
        entra.https = valves["entra"].url
        aws.owners["AKIA0000000000000000"] = "deployer"
        vault.logins["approle"] = {"role_id": "r"}
        vault.kv2["llm"] = {"key": canary("kv")}
        keys = {"AccessKeyId": "AKIA0000000000000000", "SecretAccessKey": canary("key")}
        google_key = google_server.service_account(
            token_uri=f"{valves['gcp'].url}/oauth2.googleapis.com/token"
        )
        vault.secret_ids.add(secret_id := canary("secret-id"))
        tables = {
            "anthropic": f"""
                federation_rule_id = "{anthropic_oauth.RULE}"
                organization_id = "{anthropic_oauth.ORGANIZATION}"
                identity_file = "{write("jwt", anthropic.sign(jti=None))}"
                token_url = "{valves["anthropic"].url}/v1/oauth/token"
            """,
            "aws": f"""
                source = {{ file = "{write("keys.json", json.dumps(keys))}" }}
                role_arn = "{ROLE}"
            """,
            "entra": f"""
                authority = "{entra.authority()}"
                client_id = "{entra_server.CLIENT}"
                client_secret = {{ file = "{write("entra", entra_server.SECRET)}" }}
                scope = "api://x/.default"
            """,
            "gcp": f"""
                credentials_file = "{write("google.json", json.dumps(google_key))}"
            """,
            "oauth": f"""
                token_endpoint = "{valves["oauth"].url}/token"
                client_id = "{oauth.client_id}"
                client_secret = {{ file = "{write("oauth", oauth.client_secret or "")}" }}
                grant_type = "client_credentials"
            """,
            "vault": f"""
                address = "{valves["vault"].url}"
                auth_method = "approle"
                role_id = "r"
                secret_id = {{ file = "{write("secret-id", secret_id)}" }}
                path = "secret/llm"
            """,
        }
        config = f'[network]\nca = "{entra.ca}"\n[store]\nkey = "key_file"\n'
        for provider in PROVIDERS:
            for state in ("warm", "cold"):
                config += f'[credentials.{provider}-{state}]\nprovider = "{provider}"\n'
                config += tables[provider]
        daemon = start_daemon(config, environment={"AWS_ENDPOINT_URL": valves["aws"].url})
        made = Bench(daemon, valves)
        for provider in PROVIDERS:
            answer = made.get(f"{provider}-warm", timeout=30)
            assert answer.status == 200, answer.text
        yield made
        for valve in valves.values():
            valve.open()


def _timed(bench: Bench, name: str, *, timeout: float) -> tuple[Answer, float]:
    began = time.monotonic()
    return bench.get(name, timeout=timeout), time.monotonic() - began


@pytest.mark.parametrize("provider", PROVIDERS)
def test_t6_a_hung_provider_is_nobody_elses_trouble(bench: Bench, provider: str) -> None:
    """Who has a valid token notices nothing, who has none hears of it in time, others go on."""
    daemon, valve = bench.daemon, bench.valves[provider]
    warm, cold = f"{provider}-warm", f"{provider}-cold"
    before = bench.get(warm).text
    valve.shut()
    with ThreadPoolExecutor(2) as others:
        refresh = others.submit(
            daemon.request, "POST", f"/v1/credentials/{warm}/refresh?timeout=3", timeout=60
        )
        until(lambda: valve.asked)
        began = time.monotonic()
        served = [bench.get(warm) for _ in range(20)]
        assert time.monotonic() - began < 8, "callers waited for the refresh"
        assert {(each.status, each.text) for each in served} == {(200, before)}

        asked = others.submit(_timed, bench, cold, timeout=3)
        # Meanwhile everybody else mints anew.
        for other in (each for each in PROVIDERS if each != provider):
            answer = bench.get(f"{other}-cold", timeout=30)
            assert answer.status == 200, answer.text
        told, took = asked.result()
        assert told.status == 504, told.text
        assert told.kind == "timed-out"
        assert cold in told.text
        assert took < 8, "it was told too late"
        assert refresh.result().status == 504

    # Once it answers again, whoever asks is served.
    valve.open()
    until(lambda: bench.get(cold, timeout=3).status == 200, within=60)
    assert "canary" not in daemon.log()
