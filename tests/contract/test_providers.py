"""What every provider keeps to, found through the registry: a new one gets these tests for nothing.

A provider adds its samples below: settings that mint, and settings that fail around a canary.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from canaries import canary
from contract.failures import check_failure
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import ProviderRequest
from credward.providers.registry import find_provider, load_provider, provider_entry_points
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from credward.settings.registry import SETTINGS
from credward.store.signing_keys import load_or_create
from credward.tokens import Secret, Token
from credward.workers.link import MintRequest
from credward.workers.pool import WorkerPool
from fakes.google_server import Google, service_account, serving
from fakes.oauth_server import OAuthServer
from fakes.vault_server import VaultServer
from fakes.vault_server import serving as serving_vault
from fakes.watching import gone
from marks import quick
from waiting import PATIENCE

ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LANG": "C"}
PROVIDERS = sorted({each.name for each in provider_entry_points()})
BROKER = Path(__file__).parents[2] / "broker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Settings and grant of one mint."""

    settings: Mapping[str, Any]
    grant: str | None = None


def minting(provider: str, folder: Path) -> Sample:
    """Return a sample that mints, anew each time it is asked."""
    match provider:
        case "command":
            # Another token at each run.
            return Sample(
                settings={"command": ["sh", "-c", "date +%s.%N"], "lifetime": 60, "timeout": 20}
            )
        case "static":
            path = folder / "secret"
            path.write_text(canary("static") if not path.exists() else path.read_text() + "x")
            path.chmod(0o600)
            return Sample(settings={"secret": {"file": str(path)}})
        case "anthropic":
            path = folder / "key"
            path.write_text("sk-ant-api03-x" if not path.exists() else path.read_text() + "x")
            path.chmod(0o600)
            return Sample(settings={"api_key": {"file": str(path)}})
        case "gcp":
            return Sample(settings=_google_key(folder, "oauth2.googleapis.com/token"))
        case "aws":
            # Keys that another program rotates; what is derived of them needs nobody.
            path = folder / "keys.json"
            number = json.loads(path.read_text())["AccessKeyId"] + "7" if path.exists() else "AKIA"
            path.write_text(json.dumps({"AccessKeyId": number, "SecretAccessKey": canary("key")}))
            path.chmod(0o600)
            return Sample(
                settings={
                    "source": {"file": str(path)},
                    "derive": "bedrock-api-key",
                    "region": "eu-central-1",
                }
            )
        case "local":
            return Sample(settings={}, grant=load_or_create(folder, "key").reveal())
        case "oauth":
            return Sample(settings=oauth_settings(), grant=oauth_server().grant())
        case "entra":
            # Another token at each run; its other ways have real servers in tests/unit.
            path = folder / "az"
            answer = f'{{"accessToken": "\'"$(date +%s%N)"\'", "expires_on": {time.time() + 60}}}'
            path.write_text(f"#!/bin/sh\necho '{answer}'\n")
            path.chmod(0o700)
            return Sample(settings={"source": str(path), "resource": "my-res"})
        case "vault":
            data = _vault().kv2["llm"]
            data["key"] = canary("vault")
            return Sample(settings=_vault_settings(folder) | {"path": "secret/llm"})
        case _:
            pytest.fail(f"provider {provider} needs a sample in this file")


def failing(provider: str, folder: Path) -> list[Sample]:
    """Return samples that fail, each with a canary wherever a secret may be."""
    secret = canary(provider)
    match provider:
        case "command":
            scripts = [
                f"echo {secret} >&2; echo {secret}; exit 1",
                f'echo \'{{"token": "{secret}"}}\'',
                f'echo \'{{"token": "{secret}", "expires_in": "{secret}"}}\'',
                f"echo '<{secret}>'",
                f"echo {secret} {secret}",
                f"yes {secret}",
                f"sleep 60 {secret}",
                "",
            ]
            commands = [["sh", "-c", script] for script in scripts] + [["nosuch", secret]]
            return [Sample(settings={"command": each, "timeout": 0.3}) for each in commands]
        case "static":
            path = folder / "broken"
            path.write_text(f"{secret}\n{secret}")
            path.chmod(0o600)
            return [
                Sample(settings={"secret": {"file": str(path)}}),
                Sample(settings={"secret": {"file": str(folder)}}),
                Sample(settings={"secret": {"env": "KEY"}}),
                Sample(settings={"secret": {"env": "KEY"}}, grant=f"{secret}\0"),
                Sample(settings={"secret": {"env": "KEY"}, "kind": "basic"}, grant=secret),
                Sample(settings={"secret": {"command": ["sh", "-c", f"echo {secret}; exit 3"]}}),
            ]
        case "anthropic":
            path = folder / "jwt"
            path.write_text(f"eyJ{secret}.{secret}.{secret}")
            path.chmod(0o600)
            federation = {
                "federation_rule_id": "fdrl_x",
                "organization_id": "00000000-0000-0000-0000-000000000000",
            }
            scripts = [f"echo {secret}", f'echo \'{{"access_token": "{secret}"}}\'']
            return [
                Sample(settings={"api_key": {"command": ["echo", f"sk-ant-oat01-{secret}"]}}),
                Sample(settings={"api_key": {"command": ["echo", f"{secret} {secret}"]}}),
                Sample(settings=federation | {"identity_file": str(path)}),
                Sample(settings=federation | {"identity_command": ["echo", secret]}),
                *(
                    Sample(settings={"profile": "p", "ant": str(_program(folder, script))})
                    for script in scripts
                ),
            ]
        case "gcp":
            broken = folder / "broken"
            broken.write_text(secret)
            broken.chmod(0o600)
            bad = [{}, {"access_token": secret}, {"access_token": secret, "expires_in": secret}]
            google = _google().bad
            paths = []
            for index, answer in enumerate([secret, *bad, f"{secret} {secret}"]):
                for status in (200, 400, 503):
                    paths.append(f"bad/{index}/{status}")
                    body = json.dumps(answer or {"error": secret}).encode()
                    google[paths[-1]] = (status, {"Content-Type": "application/json"}, body)
            return [
                Sample(settings={"credentials_file": str(broken)}),
                Sample(settings={"service_account_key": {"command": ["echo", secret]}}),
                Sample(settings=_google_key(folder, "nosuch", private_key=secret)),
                *(Sample(settings=_google_key(folder, path)) for path in paths),
            ]
        case "aws":
            keys = folder / "broken.json"
            keys.write_text(json.dumps({"AccessKeyId": secret, "SecretAccessKey": f"{secret}\n"}))
            keys.chmod(0o600)
            source = {"source": {"file": str(keys)}, "region": "eu-central-1"}
            sso = {
                "sso_start_url": "https://example.awsapps.com/start",
                "sso_region": "eu-central-1",
                "sso_account_id": "123456789012",
                "sso_role_name": "Agent",
            }
            return [
                Sample(settings=source),
                Sample(settings={**source, "derive": "bedrock-api-key"}),
                Sample(settings={**source, "mfa_serial": "mfa"}),
                Sample(settings={**source, "mfa_serial": "mfa"}, grant=secret),
                Sample(settings={"profile": "nobody"}),
                Sample(settings={"source": {"command": ["sh", "-c", f"echo {secret}"]}}),
                Sample(settings=sso),
                Sample(settings=sso, grant=secret),
            ]
        case "local":
            return [Sample(settings={}), Sample(settings={}, grant=secret)]
        case "oauth":
            nowhere = {"issuer": "http://127.0.0.1:9", "client_id": "c"}
            reads = {"subject_token": {"command": ["sh", "-c", f"echo {secret}; exit 3"]}}
            return [
                Sample(settings=oauth_settings()),
                Sample(settings=oauth_settings(), grant=secret),
                Sample(settings=oauth_settings(), grant=f'{{"refresh_token": "{secret}"}}'),
                Sample(settings=oauth_settings(), grant=f"{secret}\n{secret}"),
                Sample(settings=oauth_settings() | {"client_id": secret}, grant=secret),
                Sample(settings=nowhere, grant=secret),
                Sample(settings=nowhere | {"grant_type": "token_exchange"} | reads),
            ]
        case "entra":
            scripts = [
                f"echo {secret}",
                f"echo AADSTS50076 {secret} >&2; exit 1",
                f"echo {secret} >&2; exit 1",
                f'echo \'{{"accessToken": "{secret} {secret}", "expires_on": 5}}\'',
                f'echo \'{{"accessToken": "{secret}", "expires_on": "{secret}"}}\'',
            ]
            programs = [folder / f"az{number}" for number in range(len(scripts))]
            for path, script in zip(programs, scripts, strict=True):
                path.write_text(f"#!/bin/sh\n{script}\n")
                path.chmod(0o700)
            user = {"tenant": "contoso.com", "client_id": "app", "scope": "api://x/y"}
            return [
                *(Sample(settings={"source": str(path), "resource": "r-1"}) for path in programs),
                Sample(settings={"source": "/nonexistent/az", "resource": "r-1"}),
                Sample(settings=user),
                Sample(settings=user, grant=secret),
            ]
        case "vault":
            _vault().kv2["bad"] = {"key": f"{secret}\n{secret}", secret: ""}
            known = _vault_settings(folder)
            echo = {"command": ["echo", secret]}
            approle = {"auth_method": "approle", "role_id": secret, "secret_id": echo}
            return [
                Sample(settings=known | {"token": echo, "path": "secret/llm"}),
                Sample(settings=known | {"path": "secret/bad"}),
                Sample(settings=known | {"path": "secret/bad", "field": "key"}),
                Sample(settings=known | {"path": "secret/nothing"}),
                Sample(settings=known | {"token": None} | approle),
                Sample(settings=known | {"token": None} | approle, grant=secret),
                Sample(settings=known | {"token": None} | approle | {"secret_id_wrapped": True}),
                Sample(settings=known | {"token": None, "auth_method": "jwt", "jwt": echo}),
                Sample(settings=known | {"token": None, "auth_method": "oidc"}, grant=secret),
            ]
        case _:
            pytest.fail(f"provider {provider} needs failing samples in this file")


@functools.cache
def _google() -> Google:
    """Return a fake Google that is served until the tests end."""
    served = contextlib.ExitStack()
    atexit.register(served.close)
    return served.enter_context(serving(Google()))


def _google_key(folder: Path, path: str, **words: Any) -> Mapping[str, Any]:
    """Write a service account key whose tokens come from *path* of the fake Google."""
    url = f"http://127.0.0.1:{_google().port}/{path}"
    key = folder / f"key-{path.replace('/', '-')}.json"
    key.write_text(json.dumps(service_account(token_uri=url, **words)))
    key.chmod(0o600)
    return {"credentials_file": str(key)}


@functools.cache
def _vault() -> VaultServer:
    """Return a server that runs until the tests end."""
    served = contextlib.ExitStack()
    atexit.register(served.close)
    server = served.enter_context(serving_vault(time.time))
    server.kv2["llm"] = {}
    server.logins = {"approle": {"role_id": "r"}, "jwt": {"jwt": "j"}}
    return server


def _vault_settings(folder: Path) -> dict[str, Any]:
    """Return settings with a token that never ends."""
    path = folder / "vault-token"
    path.write_text(_vault().new_token(ttl=0))
    path.chmod(0o600)
    return {"address": _vault().url, "token": {"file": str(path)}}


def _program(folder: Path, script: str) -> Path:
    """Write a program that runs *script*."""
    path = folder / f"program-{abs(hash(script))}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)
    return path


@functools.cache
def oauth_server() -> OAuthServer:
    """Return the one server of this process; its thread ends with it."""
    return OAuthServer(rotates=False).__enter__()


def oauth_settings() -> dict[str, Any]:
    """Return settings without discovery: a mint is one request then."""
    server = oauth_server()
    return {
        "token_endpoint": f"{server.issuer}/token",
        "client_id": server.client_id,
        "grant_type": "refresh_token",
    }


def mint(provider: str, sample: Sample) -> Token:
    """Mint once in this process, over the real world."""
    transport = Transport(NetworkSettings())
    io = WorkerIo(
        Machine(
            clock=SystemClock(),
            now=SystemClock().now(),
            environ=ENVIRON,
            transport=lambda: transport,
        ),
        credential="gateway",
        keep_grant=lambda _: None,
    )
    try:
        return load_provider(provider).mint(
            ProviderRequest(
                credential="gateway",
                settings=msgspec.convert(sample.settings, SETTINGS[provider]),
                grant=None if sample.grant is None else Secret(sample.grant),
            ),
            io,
        )
    finally:
        transport.close()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_mints_a_token_that_can_be_handed_out(provider, tmp_path):
    """Printable, issued now, not over yet, of a kind that the formats know."""
    before = time.time()
    token = mint(provider, minting(provider, tmp_path))

    text = token.secret.reveal()
    assert text
    assert text.isascii()
    assert text.isprintable()
    assert before - 1 <= token.issued_at <= time.time()
    assert token.expires_at is None or token.expires_at > time.time()
    assert token.kind in {"bearer", "aws", "basic", "api-key"}
    assert token.upstream_id is None or text not in token.upstream_id


@pytest.mark.parametrize("provider", PROVIDERS)
def test_keeps_no_cache(provider, tmp_path):
    """Two mints of one provider object look twice: caching is the lifecycle's."""
    first = mint(provider, minting(provider, tmp_path))
    second = mint(provider, minting(provider, tmp_path))

    assert first.secret.token_id() != second.secret.token_id()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_h3_fails_by_broker_error_without_a_secret(provider, tmp_path):
    """In message, hint, causes and representation; on one line that begins with the credential."""
    for sample in failing(provider, tmp_path):
        with pytest.raises(BrokerError) as caught:
            mint(provider, sample)

        check_failure(caught.value, provider)


# Runs in a process of its own, for an audit hook cannot be taken back. Says what was done on the
# way to a provider, and during a mint.
_AUDITED = """
import json, sys
seen = None
def hook(event, args):
    if seen is not None and event.partition(".")[0] in {"socket", "subprocess", "time", "os", "urllib"}:
        seen.append(event)
sys.addaudithook(hook)
import msgspec
import urllib3  # the transport's; binds a socket when imported, to see whether there is IPv6
from credward.clock import SystemClock
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import ProviderRequest
from credward.providers.registry import load_provider
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from credward.settings.registry import SETTINGS
from credward.tokens import Secret
name, settings, grant, environ = json.loads(sys.argv[1])
settings = msgspec.convert(settings, SETTINGS[name])
seen = loading = []
provider = load_provider(name)
seen = None
transport = Transport(NetworkSettings())
machine = Machine(
    clock=SystemClock(), now=SystemClock().now(), environ=environ, transport=lambda: transport,
)
io = WorkerIo(machine, credential="c", keep_grant=lambda _: None)
request = ProviderRequest(credential="c", settings=settings, grant=grant and Secret(grant))
seen = minting = []
provider.mint(request, io)
seen = None
print(json.dumps([loading, minting]))
"""


@pytest.mark.parametrize("provider", PROVIDERS)
def test_calls_nothing_before_mint_and_never_sleeps(provider, tmp_path):
    """Loading dials nobody and starts nothing; a mint is one attempt, without a wait of its own."""
    sample = minting(provider, tmp_path)
    given = json.dumps([provider, sample.settings, sample.grant, ENVIRON])
    done = subprocess.run(
        [sys.executable, "-c", _AUDITED, given],
        env={"PYTHONPATH": str(BROKER)},
        stdout=subprocess.PIPE,
        check=True,
    )
    loading, mint_events = json.loads(done.stdout)

    calls = (
        "socket.",
        "subprocess.",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.fork",
        "urllib.",
    )
    assert [event for event in loading if event.startswith(calls)] == []
    assert "time.sleep" not in mint_events
    assert mint_events.count("subprocess.Popen") <= 1
    assert mint_events.count("socket.connect") <= 1


@pytest.mark.skipif(sys.platform != "linux", reason="watches processes in /proc")
@pytest.mark.parametrize("provider", quick("command", "oauth", among=PROVIDERS))
async def test_t18_a_hang_is_killed_at_the_deadline(provider, tmp_path):
    """Wherever the worker stands: here the kernel holds it."""
    pool = WorkerPool(clock=SystemClock(), environ=ENVIRON)
    try:
        await _pool_mint(pool, provider, minting(provider, tmp_path), deadline=PATIENCE)
        (pid,) = pool.pids()
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(BrokerError) as caught:
            await _pool_mint(pool, provider, minting(provider, tmp_path), deadline=0.3)

        # Held for good otherwise.
        assert time.monotonic() - started < PATIENCE
        assert (caught.value.kind, caught.value.failure.sent) == (Kind.TIMED_OUT, "maybe")
        while not gone(pid):
            await asyncio.sleep(0.01)
        # The next one is not held up.
        await _pool_mint(pool, provider, minting(provider, tmp_path), deadline=PATIENCE)
    finally:
        await pool.close()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_name_clash_is_an_error(provider):
    """Nobody takes the name of a provider over by being installed."""
    points = provider_entry_points()
    thief = type(points[0])(provider, "thief:Provider", points[0].group)

    with pytest.raises(BrokerError, match=r"claimed by credward.* and thief:Provider"):
        find_provider(provider, [*points, thief])


@pytest.mark.parametrize("provider", PROVIDERS)
def test_has_settings_and_a_page(provider, pytestconfig):
    """Strict settings, and a page that names each key."""
    page = pytestconfig.rootpath / "docs" / "reference" / "providers" / f"{provider}.md"
    text = page.read_text()

    for key in SETTINGS[provider].__struct_fields__:
        assert f"`{key}`" in text, f"{page} does not mention {key}"


async def _pool_mint(pool: WorkerPool, provider: str, sample: Sample, *, deadline: float) -> None:
    request = MintRequest(
        credential="gateway",
        settings=dict(sample.settings),
        grant=None if sample.grant is None else Secret(sample.grant),
        now=SystemClock().now(),
    )
    minted = await pool.mint(provider, request, deadline=deadline)
    assert minted.body
