"""A stored secret goes where it was first used, whatever the configuration says later."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest

from canaries import canary
from fakes.oauth_server import OAuthServer
from fakes.vault_server import serving
from integration.command_line import by_owner, cli
from integration.daemon import DaemonFactory, RunningDaemon
from integration.old_stores import put_store
from marks import slow
from waiting import until

pytestmark = by_owner

HOST = "https://llm.example.com"
OTHER = "https://gateway.example.com"
KEY, SECOND = canary("key"), canary("second")
CHAIN = (
    '[credentials.gateway]\nprovider = "static"\nsecret = { credential = "inner" }\n'
    f'base_url = "{HOST}"\n'
)


def static(name: str = "gateway", *hosts: str, more: str = "") -> str:
    """Return a credential that hands the stored secret `key` out."""
    bound = f"base_urls = {json.dumps(hosts)}\n" if hosts else ""
    return (
        f'[credentials.{name}]\nprovider = "static"\nsecret = {{ store = "key" }}\n{bound}{more}\n'
    )


def confidential(issuer: str, more: str = "") -> str:
    """Return a credential that shows `key` to a server as the client's secret."""
    return (
        f'[credentials.gateway]\nprovider = "oauth"\nissuer = "{issuer}"\nclient_id = "client-1"\n'
        f'grant_type = "client_credentials"\nclient_secret = {{ store = "key" }}\n{more}\n'
    )


@pytest.fixture
def daemon(start_daemon: DaemonFactory) -> RunningDaemon:
    """Run a daemon whose store holds the secret `key`, used for one host so far."""
    daemon = start_daemon(static("gateway", HOST))
    assert cli(daemon, "secret", "set", "key", given=KEY).returncode == 0
    assert daemon.get("gateway", client_base_url=HOST).status == 200
    return daemon


def change(daemon: RunningDaemon, text: str, *, restart: bool) -> None:
    """Exchange the configuration, as who can write the file may, without any right to manage."""
    daemon.write_config(text)
    if restart:
        daemon.stop()
        daemon.start()
        return
    loads = daemon.log().count("reloaded")
    daemon.send(signal.SIGHUP)
    until(lambda: daemon.log().count("reloaded") > loads)


@pytest.mark.parametrize("restart", [True, False], ids=["restart", "reload"])
def test_s1_a_configuration_without_the_base_url_prints_nothing(
    daemon: RunningDaemon, restart: bool
) -> None:
    """The store of a user, and a repository's configuration over it: the issue's own story."""
    change(daemon, static("gateway"), restart=restart)
    # At the start the store is opened beside everything else.
    shown = until(lambda: daemon.status("gateway")["failure"])
    asked = cli(daemon, "get", "gateway")
    listed = cli(daemon, "status")

    assert (asked.returncode, asked.stdout) == (78, "")
    assert asked.stderr == (
        f'credward: "gateway" may not use secret "key", which is bound to {HOST}, '
        "but the credential may now go anywhere: if you made that change, run credward secret allow key\n"
    )
    assert shown["kind"] == "fix-configuration"
    assert daemon.status("gateway")["state"] == "parked"
    assert "run credward secret allow key" in listed.stdout
    assert KEY not in daemon.log()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (static("renamed", HOST), 'which is bound to "gateway"'),
        (static("gateway", HOST, OTHER), f"bound to {HOST}, not to {OTHER}"),
        pytest.param(
            static("gateway", OTHER),
            f"bound to {HOST}, not to {OTHER}",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            static("gateway", HOST, more='allow_client_flags = ["proxy"]'),
            "allow_client_flags",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            CHAIN + static("inner", HOST),
            "which was used with other settings than the configured ones",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["another credential", "wider", "elsewhere", "flags", "another way"],
)
def test_s1_what_is_another_use(daemon: RunningDaemon, text: str, why: str) -> None:
    """Parks the credential with one line, and serves at once when its owner allows it."""
    change(daemon, text, restart=True)
    name = "renamed" if "renamed" in text else "gateway"
    urls = daemon.status(name)["base_urls"]
    before = daemon.get(name, client_base_url=urls[0])
    allowed = cli(daemon, "secret", "allow", "key")
    after = daemon.get(name, client_base_url=urls[0])

    assert before.kind == "fix-configuration"
    assert why in before.json()["detail"]
    assert before.json()["detail"].endswith(
        ": if you made that change, run credward secret allow key"
    )
    assert allowed.returncode == 0, allowed.stderr
    assert f"{name} ({' '.join(urls)})" in allowed.stdout
    assert after.text == KEY


def test_s1_a_configuration_that_is_put_right_wakes_it(daemon: RunningDaemon) -> None:
    """Nothing else need be typed; and what was narrowed meanwhile stays narrow."""
    change(daemon, static("gateway", HOST, OTHER), restart=False)
    assert daemon.get("gateway", client_base_url=HOST).kind == "fix-configuration"
    change(daemon, static("gateway", HOST), restart=False)

    assert daemon.get("gateway", client_base_url=HOST).status == 200


@pytest.mark.slow
def test_s1_narrowing_is_remembered(start_daemon: DaemonFactory) -> None:
    """From any host to one: there is no way back without its owner."""
    daemon = start_daemon(static("gateway"))
    assert cli(daemon, "secret", "set", "key", given=KEY).returncode == 0
    unused = cli(daemon, "secret", "list").stdout
    assert daemon.get("gateway").status == 200
    free = cli(daemon, "secret", "list").stdout
    change(daemon, static("gateway", HOST), restart=False)
    assert daemon.get("gateway", client_base_url=HOST).status == 200
    bound = cli(daemon, "secret", "list").stdout
    change(daemon, static("gateway"), restart=True)

    assert daemon.get("gateway").kind == "fix-configuration"
    assert "not used yet" in unused
    assert "gateway (any host)" in free
    assert f"gateway ({HOST})" in bound


@pytest.fixture
def servers() -> Iterator[tuple[OAuthServer, OAuthServer]]:
    with OAuthServer(client_secret=KEY) as good, OAuthServer() as evil:
        yield good, evil


@pytest.mark.parametrize("what", ["issuer", *slow("token_endpoint", "client", "proxy")])
def test_s1_a_client_secret_goes_to_its_server(
    start_daemon: DaemonFactory, servers: tuple[OAuthServer, OAuthServer], what: str
) -> None:
    """An edited issuer, endpoint, client or proxy is sent nothing at all."""
    good, evil = servers
    daemon = start_daemon(confidential(good.issuer))
    assert cli(daemon, "secret", "set", "key", given=KEY).returncode == 0
    assert daemon.get("gateway").status == 200
    asked = len(good.log)
    changed = {
        "issuer": confidential(evil.issuer),
        "token_endpoint": confidential(
            good.issuer, f'token_endpoint = "{evil.issuer}/token"\nscope = "x"'
        ),
        "client": confidential(good.issuer).replace("client-1", "client-2"),
        "proxy": confidential(good.issuer) + f'[network]\nproxy = "{evil.issuer}"\n',
    }[what]
    change(daemon, changed, restart=True)
    answer = daemon.get("gateway")

    assert answer.kind == "fix-configuration"
    assert "which was used with other settings than the configured ones" in answer.text
    assert evil.log == []
    assert len(good.log) == asked


def test_s1_a_token_of_vault_is_not_handed_out_itself(start_daemon: DaemonFactory) -> None:
    """Without its path a credential hands out the stored token: that is another use of it."""
    with serving(time.time) as vault:
        vault.kv2["llm"] = {"key": SECOND}
        token = vault.new_token(ttl=0)
        narrow = (
            f'[credentials.gateway]\nprovider = "vault"\naddress = "{vault.url}"\n'
            f'token = {{ store = "key" }}\nbase_url = "{HOST}"\n'
        )
        daemon = start_daemon(narrow + 'path = "secret/llm"\nkv_version = 2\n')
        assert cli(daemon, "secret", "set", "key", given=token).returncode == 0
        first = daemon.get("gateway", client_base_url=HOST)
        change(daemon, narrow, restart=False)
        after = daemon.get("gateway", client_base_url=HOST)
        assert cli(daemon, "secret", "allow", "key").returncode == 0
        allowed = daemon.get("gateway", client_base_url=HOST)

    assert first.text == SECOND
    assert after.kind == "fix-configuration"
    assert "which was used with other settings than the configured ones" in after.text
    assert allowed.text == token


def test_s1_a_login_shows_it_to_nobody_else(
    start_daemon: DaemonFactory, servers: tuple[OAuthServer, OAuthServer]
) -> None:
    """A login at another server does not begin, and nobody is asked anything with the secret."""
    good, evil = servers
    daemon = start_daemon(confidential(good.issuer))
    assert cli(daemon, "secret", "set", "key", given=KEY).returncode == 0
    assert daemon.get("gateway").status == 200
    asks = confidential(evil.issuer).replace("client_credentials", "device_code")
    change(daemon, asks, restart=True)
    login = cli(daemon, "login", "gateway", "--device", "--no-browser")

    assert login.returncode == 78, login.stdout + login.stderr
    assert "run credward secret allow key" in login.stderr
    assert evil.log == []


def test_s1_a_secret_behind_another_credential(start_daemon: DaemonFactory) -> None:
    """It is bound to the credential that is minted in the end, and that one is parked by name."""
    daemon = start_daemon(CHAIN + static("inner"))
    assert cli(daemon, "secret", "set", "key", given=KEY).returncode == 0
    assert daemon.get("gateway", client_base_url=HOST).text == KEY
    other = CHAIN.replace("gateway", "other") + static("inner")

    assert daemon.get("inner").kind == "fix-configuration"
    change(daemon, other, restart=False)
    assert (
        '"other" may not use secret "key"'
        in daemon.get("other", client_base_url=HOST).json()["detail"]
    )
    allowed = json.loads(cli(daemon, "secret", "allow", "key", "--json").stdout)
    assert {each["credential"] for each in allowed["uses"]} == {"other", "inner"}
    assert daemon.get("inner").text == daemon.get("other", client_base_url=HOST).text


def test_s1_another_value_begins_anew(daemon: RunningDaemon) -> None:
    """Set again, or removed and set, it is bound to whatever uses it next."""
    change(daemon, static("renamed"), restart=False)
    assert daemon.get("renamed").kind == "fix-configuration"
    assert cli(daemon, "secret", "set", "key", given=SECOND).returncode == 0
    assert daemon.get("renamed").text == SECOND
    change(daemon, static("third"), restart=False)
    assert daemon.get("third").kind == "fix-configuration"
    assert cli(daemon, "secret", "rm", "key").returncode == 0
    assert cli(daemon, "secret", "allow", "key").returncode == 78
    assert cli(daemon, "secret", "set", "key", given=KEY).returncode == 0
    assert daemon.get("third").text == KEY


def test_g9_a_secret_that_is_allowed_is_still_the_one_that_was_refused(
    daemon: RunningDaemon,
) -> None:
    """Where it is used nobody accepts it: only another value, or its owner's word, ends that."""
    assert daemon.request("POST", "/v1/credentials/gateway/rejected").status == 202
    assert daemon.get("gateway", client_base_url=HOST).kind == "provider-refused"
    assert cli(daemon, "secret", "allow", "key").returncode == 0
    assert daemon.get("gateway", client_base_url=HOST).kind == "provider-refused"
    assert daemon.status("gateway")["state"] == "rejected"
    assert cli(daemon, "secret", "set", "key", given=SECOND).returncode == 0

    assert daemon.get("gateway", client_base_url=HOST).text == SECOND


def test_s1_only_its_owner_allows(daemon: RunningDaemon) -> None:
    """What nothing uses cannot be allowed, and each allowing is written down."""
    assert cli(daemon, "secret", "allow", "key").returncode == 0
    change(daemon, '[credentials.demo]\nprovider = "local"\n', restart=False)
    unused = cli(daemon, "secret", "allow", "key")
    outcomes = [
        each["outcome"]
        for each in map(json.loads, (daemon.state_dir / "audit.log").read_text().splitlines())
        if each["outcome"].startswith("secret")
    ]

    assert (unused.returncode, unused.stdout) == (64, "")
    assert outcomes == ["secret-set", "secret-allowed"]


@pytest.mark.slow
def test_s1_a_store_of_before(start_daemon: DaemonFactory) -> None:
    """One without any record works: its secrets become bound at their first use."""
    used = static("gateway").replace('"key"', '"gateway-key"')
    daemon = start_daemon.prepare(used)
    put_store(daemon, "format-1")
    daemon.start()
    first = daemon.get("gateway")
    change(daemon, used.replace("gateway", "other"), restart=True)

    assert first.text == "key-of-format-1"
    assert daemon.get("other").kind == "fix-configuration"
