"""Provider `vault` as users run it: a daemon, its store, and a server that stands in for Vault."""

from __future__ import annotations

import time
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import urlopen

import pytest

from canaries import canary
from fakes.ports import kept_port
from fakes.vault_server import serving
from integration.command_line import log_in
from waiting import until

LOGIN = "auth/approle/login"


@pytest.fixture
def server():
    """Return a server with an AppRole, a database and a stored key."""
    with serving(time.time) as running:
        running.logins["approle"] = {"role_id": "role-1"}
        running.dynamic["database/creds/app"] = {"username": "u{n}", "password": canary("lease")}
        running.kv2["llm"] = {"api_key": canary("kv")}
        yield running


def config(server):
    """Return two credentials on one login."""
    common = f"""
provider = "vault"
address = "{server.url}"
auth_method = "approle"
role_id = "role-1"
secret_id = {{ env = "CANARY_SECRET" }}
"""
    return (
        '[store]\nkey = "key_file"\n'
        f'[credentials.db]{common}path = "database/creds/app"\n'
        f'[credentials.llm]{common}path = "secret/llm"\nfield = "api_key"\nkind = "api-key"\n'
    )


def test_one_login_serves_two_credentials(server, start_daemon):
    """It is kept as their grant; a lease is a secret of the one that took it."""
    daemon = start_daemon(config(server))
    server.secret_ids.add(daemon.environment["CANARY_SECRET"])
    first, key, again = daemon.get("db"), daemon.get("llm"), daemon.get("db")

    assert first.text.startswith("u1:")
    assert again.text == first.text
    assert key.text == server.kv2["llm"]["api_key"]
    assert server.paths().count(LOGIN) == 1
    assert int(first.headers["expires-at"]) <= time.time() + 600


def test_t10_a_restart_goes_on_with_the_login(server, start_daemon):
    """It lies sealed in the store, whatever way the daemon ended."""
    daemon = start_daemon(config(server))
    server.secret_ids.add(daemon.environment["CANARY_SECRET"])
    daemon.get("llm")
    daemon.kill9()
    daemon.start()

    assert daemon.get("llm").status == 200
    assert server.paths().count(LOGIN) == 1


def test_what_disappears_from_the_configuration_is_revoked_where_that_is_wanted(
    server, start_daemon
):
    """Leases and the login's token; without revoke_on_drop they run out by themselves."""
    text = config(server).replace("secret_id =", "revoke_on_drop = true\nsecret_id =")
    daemon = start_daemon(text)
    server.secret_ids.add(daemon.environment["CANARY_SECRET"])
    daemon.get("db")
    assert (len(server.tokens), len(server.leases)) == (1, 1)

    # One of two on the login: that lives on.
    table = text.index("[credentials.llm]")
    daemon.write_config(text[:table])
    assert daemon.request("POST", "/v1/reload").status == 200
    assert daemon.get("db").status == 200
    assert (len(server.tokens), len(server.leases)) == (1, 1)

    daemon.write_config('[store]\nkey = "key_file"\n')
    assert daemon.request("POST", "/v1/reload").status == 200
    until(lambda: not server.tokens)
    assert server.leases == {}


def test_t6_a_sealed_server_is_named(server, start_daemon):
    """And asked again once it is open."""
    daemon = start_daemon(config(server))
    server.secret_ids.add(daemon.environment["CANARY_SECRET"])
    server.sealed = True
    answer = daemon.get("llm")

    assert answer.kind == "provider-unreachable"
    assert "is sealed" in answer.text


@pytest.fixture
def port():
    with kept_port() as port:
        yield port


def test_t9_a_human_logs_in_once(server, start_daemon, port):
    """By the command, in a browser; the login outlives the daemon and ends with its revocation."""
    server.logins["oidc"] = {"role": "dev", "code": "code-1"}
    server.redirect_uris.add(f"http://localhost:{port}/oidc/callback")
    daemon = start_daemon(
        f"""
        [store]
        key = "key_file"
        [credentials.llm]
        provider = "vault"
        address = "{server.url}"
        auth_method = "oidc"
        role = "dev"
        oidc_port = {port}
        path = "secret/llm"
        """
    )
    assert daemon.get("llm").kind == "login-required"

    def follow(url):
        asked = parse_qs(urlsplit(url).query)
        answer = urlencode({"state": asked["state"][0], "code": "code-1"})
        urlopen(f"{asked['redirect_uri'][0]}?{answer}", timeout=60).close()

    assert log_in(daemon, "llm", follow)["account"] == "me@example.com"

    assert daemon.get("llm").text == server.kv2["llm"]["api_key"]
    daemon.kill9()
    daemon.start()
    assert daemon.get("llm").status == 200
    for token in list(server.tokens):
        server.revoke(token)
    daemon.stop()
    daemon.start()
    assert daemon.get("llm").kind == "login-required"
