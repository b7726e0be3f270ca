"""Provider `anthropic` as users run it: the JWT of another credential, exchanged by a daemon."""

from __future__ import annotations

import json

import jwt
import pytest

from fakes.anthropic_oauth import ISSUER, ORGANIZATION, RULE, serving


@pytest.fixture
def server():
    """Return the stand-in, which takes a JWT once."""
    with serving() as running:
        yield running


def test_the_jwt_of_another_credential_is_new_for_each_exchange(server, start_daemon):
    """Single use needs no care: callers share one token, and each mint presents a JWT of its own."""
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
        """
    )
    keys = daemon.request("GET", "/v1/credentials/workload/jwks").json()["keys"]
    server.public_key = jwt.PyJWK(keys[0]).key
    tokens = [daemon.get("claude").text for _ in range(3)]
    for _ in range(2):
        assert daemon.request("POST", "/v1/credentials/claude/refresh").status == 200
        tokens.append(daemon.get("claude").text)

    assert set(tokens) <= server.tokens
    assert len(set(tokens)) == len(server.exchanges) == 3
    assert len({each["assertion"] for each in server.exchanges}) == 3
    assert json.dumps(tokens) not in daemon.log()
