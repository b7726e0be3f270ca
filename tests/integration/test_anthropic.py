"""Provider `anthropic` as users run it: the JWT of another credential, exchanged by a daemon."""

from __future__ import annotations

import json

import jwt
import pytest

from fakes.anthropic_oauth import ISSUER, ORGANIZATION, RULE, serving
from waiting import until


@pytest.fixture
def server():
    """Return the stand-in, which takes a JWT once."""
    with serving() as running:
        yield running


@pytest.fixture
def federate(server, start_daemon):
    """Return what starts a daemon whose `claude` is the federation of a credential of its own."""

    def start(words=""):
        daemon = start_daemon(
            f"""
            [credentials.workload]
            provider = "local"
            issuer = "{ISSUER}"

            [credentials.claude]
            provider = "anthropic"
            federation_rule_id = "{RULE}"
            organization_id = "{ORGANIZATION}"
            service_account_id = "svac_1"
            identity = "workload"
            token_url = "{server.token_url}"
            {words}
            """
        )
        keys = daemon.request("GET", "/v1/credentials/workload/jwks").json()["keys"]
        server.public_key = jwt.PyJWK(keys[0]).key
        return daemon

    return start


def ask(daemon, server, name="claude"):
    """Ask for a token to be sent to the host of the exchange, which is all that it is for."""
    return daemon.get(name, client_base_url=server.token_url).text


def test_the_jwt_of_another_credential_is_new_for_each_exchange(server, federate):
    """Single use needs no care: callers share one token, and each mint presents a JWT of its own."""
    daemon = federate()
    tokens = [ask(daemon, server) for _ in range(3)]
    for _ in range(2):
        assert daemon.request("POST", "/v1/credentials/claude/refresh").status == 200
        tokens.append(ask(daemon, server))

    assert set(tokens) <= server.tokens
    assert len(set(tokens)) == len(server.exchanges) == 3
    assert len({each["assertion"] for each in server.exchanges}) == 3
    assert json.dumps(tokens) not in daemon.log()


def test_a_token_that_the_api_refused_is_healed_by_one_exchange(server, federate):
    """With a new JWT; asking on while it is under way exchanges nothing more."""
    daemon = federate()
    first = daemon.get("claude", client_base_url=server.token_url)
    server.tokens.clear()
    body = json.dumps({"token_id": first.headers["token-id"]}).encode()
    for _ in range(3):
        report = daemon.request("POST", "/v1/credentials/claude/rejected", body=body)
        assert report.status == 202
    until(lambda: ask(daemon, server) in server.tokens)

    assert len(server.exchanges) == 2
    assert len({each["assertion"] for each in server.exchanges}) == 2


def test_t12_a_jwt_is_presented_once_through_restarts(server, start_daemon, tmp_path):
    """Neither a killed worker nor a killed daemon forgets what was taken, or what was refused."""
    jwts = {name: tmp_path / name for name in ("taken", "refused")}
    for path in jwts.values():
        path.touch(0o600)
    jwts["taken"].write_text(server.sign())
    jwts["refused"].write_text(server.sign(iss="https://elsewhere.example.com"))
    daemon = start_daemon(
        "".join(
            f"""
            [credentials.{name}]
            provider = "anthropic"
            federation_rule_id = "{RULE}"
            organization_id = "{ORGANIZATION}"
            identity_file = "{path}"
            token_url = "{server.token_url}"
            """
            for name, path in jwts.items()
        )
    )
    assert ask(daemon, server, "taken") in server.tokens
    assert "refused its JWT" in ask(daemon, server, "refused")
    assert len(server.exchanges) == 2

    daemon.kill9()
    daemon.start()
    for name in jwts:
        assert "was used already" in ask(daemon, server, name)
    assert len(server.exchanges) == 2
    jwts["taken"].write_text(server.sign())
    assert daemon.request("POST", "/v1/credentials/taken/refresh").status == 200
    assert ask(daemon, server, "taken") in server.tokens
    assert len(server.exchanges) == 3
