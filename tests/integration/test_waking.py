"""What waits for a login, a secret or a file is served as soon as that is there, through any chain."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from canaries import canary
from fakes.oauth_server import OAuthServer
from fakes.vault_server import VaultServer, serving
from integration.command_line import by_owner, cli
from integration.daemon import DaemonFactory, RunningDaemon
from waiting import until

CHAIN = """
[credentials.cli]
provider = "oauth"
issuer = "{issuer}"
client_id = "client-1"
scope = "openid offline_access"

[credentials.exchange]
provider = "oauth"
issuer = "{issuer}"
client_id = "client-1"
grant_type = "token_exchange"
subject_token = {{ credential = "cli" }}
subject_token_type = "jwt"

[credentials.api]
provider = "oauth"
issuer = "{issuer}"
client_id = "client-1"
grant_type = "jwt_bearer"
assertion = {{ credential = "exchange" }}
"""
LINE = '"cli" needs a login: run credward login cli'
VAULT = """
[credentials.llm]
provider = "vault"
address = "{url}"
auth_method = "approle"
role_id = "role-1"
secret_id = {{ file = "{file}" }}
secret_id_wrapped = {wrapped}
path = "secret/llm"
field = "api_key"
"""


@pytest.fixture
def chain(start_daemon: DaemonFactory, server: OAuthServer) -> RunningDaemon:
    """A login, what is exchanged for it, and what is asked for with that."""
    return start_daemon(CHAIN.format(issuer=server.issuer))


def lines(daemon: RunningDaemon, *names: str) -> set[str]:
    """Return what whoever asks for these is told."""
    answers = [daemon.get(name) for name in names]
    assert {answer.kind for answer in answers} == {"login-required"}
    return {answer.json()["detail"] for answer in answers}


def log_in(daemon: RunningDaemon) -> None:
    """Do as a user does in the browser."""
    login = daemon.request("POST", "/v1/grants/cli/login").json()["login_id"]

    def events() -> list[dict[str, str]]:
        answer = daemon.request("GET", f"/v1/logins/{login}/events?timeout=0")
        return [json.loads(line) for line in answer.body.splitlines()]

    (url,) = until(lambda: [each["url"] for each in events() if "url" in each])
    requests.get(url, timeout=60).raise_for_status()
    until(lambda: [each for each in events() if each["event"] == "done"])


def test_g2_one_login_serves_the_whole_chain(chain: RunningDaemon, server: OAuthServer) -> None:
    """Each was told the line that helps, a forced mint too; then each has its token."""
    names = ("api", "exchange", "cli")
    assert lines(chain, *names) == {LINE}
    forced = chain.request("POST", "/v1/credentials/api/refresh")
    assert forced.json()["detail"] == LINE
    assert {chain.status(name)["state"] for name in names} == {"parked"}
    refused = chain.request("POST", "/v1/grants/api/login")
    assert refused.kind == "bad-request"
    assert 'it is minted from "cli": run credward login cli' in refused.json()["detail"]
    log_in(chain)

    assert {chain.status(name)["state"] for name in names} == {"empty"}
    assert {chain.get(name).status for name in names} == {200}


def test_g2_a_source_that_was_configured_rightly_wakes_the_chain(
    start_daemon: DaemonFactory, server: OAuthServer
) -> None:
    """By reload: nobody has to know who waits for it."""
    text = CHAIN.format(issuer=server.issuer)
    start, end = text.index("[credentials.cli]"), text.index("[credentials.exchange]")
    broken = '[credentials.cli]\nprovider = "command"\ncommand = ["/no/such/program"]\n'
    daemon = start_daemon(text[:start] + broken + text[end:])
    assert {daemon.get(name).kind for name in ("api", "exchange")} == {"fix-configuration"}
    mended = '[credentials.cli]\nprovider = "local"\n'
    daemon.write_config(text[:start] + mended + text[end:])
    assert daemon.request("POST", "/v1/reload").status == 200

    assert {daemon.get(name).status for name in ("api", "exchange")} == {200}


@by_owner
def test_g2_a_grant_that_is_handed_over_serves_the_chain(
    chain: RunningDaemon, server: OAuthServer
) -> None:
    """And a logout takes all of it back: nobody is handed anything of it any more."""
    assert lines(chain, "api") == {LINE}
    done = cli(chain, "login", "cli", "--grant-stdin", given=server.grant())
    assert "1 caller was refused meanwhile" in done.stdout
    assert {chain.get(name).status for name in ("api", "exchange", "cli")} == {200}
    assert cli(chain, "logout", "cli").returncode == 0
    assert {chain.status(name)["state"] for name in ("api", "exchange")} == {"empty"}
    assert lines(chain, "api", "exchange", "cli") == {LINE}
    cli(chain, "login", "cli", "--grant-stdin", given=server.grant())

    assert {chain.get(name).status for name in ("api", "exchange", "cli")} == {200}


@pytest.mark.slow
@by_owner
def test_g2_a_new_secret_serves_the_chain(start_daemon: DaemonFactory, server: OAuthServer) -> None:
    """Of the credential at its end, whose secret was missing."""
    text = CHAIN.format(issuer=server.issuer)
    start, end = text.index("[credentials.cli]"), text.index("[credentials.exchange]")
    key = '[credentials.cli]\nprovider = "static"\nsecret = { store = "assertion" }\n'
    daemon = start_daemon(text[:start] + key + text[end:])
    answer = daemon.get("api")
    assert (answer.kind, answer.json()["detail"].endswith("credward secret set assertion")) == (
        "fix-configuration",
        True,
    )
    assert cli(daemon, "secret", "set", "assertion", given="a.b.c").returncode == 0
    assert daemon.get("api").status == 200
    # It is bound to the first of them, until its owner says more.
    refused = daemon.get("exchange").json()["detail"]
    assert refused.endswith("run credward secret allow assertion")
    assert cli(daemon, "secret", "allow", "assertion").returncode == 0

    assert {daemon.get(name).status for name in ("api", "exchange")} == {200}


# Who is asked for, and which one is refreshed then: each has a chain of its own in one daemon.
ASKED = [("end",), ("cli", "end"), ("end", "cli", "middle")]
LINKS = ["cli", "middle", "end"]


@dataclass(frozen=True)
class Chains:
    """A daemon, and the folder in which the file `0` is the login of the first chain."""

    daemon: RunningDaemon
    logins: Path


@pytest.fixture(scope="module")
def chains(start_shared_daemon: DaemonFactory, tmp_path_factory: pytest.TempPathFactory) -> Chains:
    """Run a daemon whose chains end at a program that wants a login of its own."""
    folder = tmp_path_factory.mktemp("chains")
    program = folder / "print-token"
    program.write_text(f'#!/bin/sh\n[ -e "{folder}/$1" ] || exit 67\necho a.b.c\n')
    program.chmod(0o700)
    text = ""
    for number in range(len(ASKED) * len(LINKS)):
        text += (
            f'[credentials.cli-{number}]\nprovider = "command"\n'
            f'command = ["{program}", "{number}"]\nlifetime = 600\n'
            f'[credentials.middle-{number}]\nprovider = "static"\n'
            f'secret = {{ credential = "cli-{number}" }}\n'
            f'[credentials.end-{number}]\nprovider = "static"\n'
            f'secret = {{ credential = "middle-{number}" }}\n'
        )
    return Chains(start_shared_daemon(text), folder)


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("refreshed", LINKS)
def test_g2_a_login_of_another_tool_serves_the_chain(
    chains: Chains, asked: tuple[str, ...], refreshed: str
) -> None:
    """Whoever was asked for, and whichever is refreshed: one word of its owner is enough."""
    daemon = chains.daemon
    number = ASKED.index(asked) * len(LINKS) + LINKS.index(refreshed)
    for name in asked:
        answer = daemon.get(f"{name}-{number}")
        assert answer.kind == "login-required"
        assert f"after that login run credward get --fresh cli-{number}" in answer.json()["hint"]
    (chains.logins / str(number)).touch()
    assert daemon.get(f"{asked[0]}-{number}").kind == "login-required", "nobody told us"
    assert daemon.request("POST", f"/v1/credentials/{refreshed}-{number}/refresh").status == 200

    assert {daemon.get(f"{name}-{number}").text for name in LINKS} == {"a.b.c"}


@pytest.fixture
def vault() -> Iterator[VaultServer]:
    with serving(time.time) as running:
        running.logins["approle"] = {"role_id": "role-1"}
        running.kv2["llm"] = {"api_key": canary("kv")}
        yield running


def put(file: Path, text: str) -> None:
    """Replace a file as orchestrators do."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o600)
    fresh.rename(file)


def test_g2_a_replaced_secret_id_is_tried_at_once(
    start_daemon: DaemonFactory, vault: VaultServer, tmp_path: Path
) -> None:
    """What the server refused before is refused without another request until then."""
    file = tmp_path / "secret-id"
    put(file, "of yesterday")
    daemon = start_daemon(VAULT.format(url=vault.url, file=file, wrapped="false"))
    assert daemon.get("llm").kind == "fix-configuration"
    asked = len(vault.asked)
    time.sleep(1.1)
    assert daemon.get("llm").kind == "fix-configuration"
    assert len(vault.asked) == asked
    vault.secret_ids.add("of today")
    put(file, "of today")

    until(lambda: daemon.get("llm").text == vault.kv2["llm"]["api_key"])


@pytest.mark.slow
def test_g2_a_fresh_wrapping_token_is_unwrapped_at_once(
    start_daemon: DaemonFactory, vault: VaultServer, tmp_path: Path
) -> None:
    """The one before was used by somebody else."""
    file = tmp_path / "wrapped"
    put(file, "hvs.used-up")
    daemon = start_daemon(VAULT.format(url=vault.url, file=file, wrapped="true"))
    refused = daemon.get("llm")
    assert "its wrapping token has expired or was used: make a new one" in refused.text
    vault.secret_ids.add("wrapped-1")
    put(file, vault.wrap({"secret_id": "wrapped-1"}))

    until(lambda: daemon.get("llm").text == vault.kv2["llm"]["api_key"])


@pytest.mark.slow
def test_g2_what_was_missing_on_this_machine_is_found(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """A file, and a program of which only its place is known; by whoever asks."""
    file, program = tmp_path / "key", tmp_path / "print-token"
    daemon = start_daemon(
        f'[credentials.key]\nprovider = "static"\nsecret = {{ file = "{file}" }}\n'
        f'[credentials.program]\nprovider = "command"\ncommand = ["{program}"]\nlifetime = 600\n'
    )
    assert {daemon.get(name).kind for name in ("key", "program")} == {"fix-configuration"}
    put(file, "sk-1")
    program.write_text("#!/bin/sh\necho token-1\n")
    program.chmod(0o700)

    until(lambda: daemon.get("key").text == "sk-1")
    until(lambda: daemon.get("program").text == "token-1")


def test_g9_a_refused_key_serves_again_when_its_file_is_replaced(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """Also where another key stands in for it meanwhile."""
    file = tmp_path / "key"
    put(file, "sk-1")
    daemon = start_daemon(
        f'[credentials.key]\nprovider = "static"\nsecret = {{ file = "{file}" }}\n'
        'fallback = ["spare"]\n'
        '[credentials.spare]\nprovider = "static"\nsecret = { env = "SPARE" }\n',
        environment={"SPARE": "sk-spare"},
    )
    daemon.get("key")
    assert daemon.request("POST", "/v1/credentials/key/rejected").status == 202
    assert daemon.get("key").text == "sk-spare"
    told = daemon.status("key")
    assert told["state"] == "rejected"
    assert told["failure"]["message"].endswith(f"put another one into {file}")
    put(file, "sk-2")

    # This session stays with the spare; another one is served by the new key. It asks only now,
    # else it would stay with the spare too.
    until(lambda: daemon.get("key").status == 200 and daemon.status("key")["state"] != "rejected")
    assert cli(daemon, "get", "key").stdout == "sk-2\n"
