"""A refresh token that is brought along while the daemon is finding out that it has none."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fakes.oauth_server import Answer, OAuthServer
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from integration.test_kills import workers
from waiting import until


def test_t8_a_mint_that_began_without_a_grant_does_not_park_the_one_given_meanwhile(
    start_daemon: DaemonFactory, tmp_path: Path
) -> None:
    """T8: its worker takes longer to start than the hand-over takes."""
    with OAuthServer() as server:
        daemon = start_daemon(
            permit_all(tmp_path) + '[credentials.gateway]\nprovider = "oauth"\n'
            f'issuer = "{server.issuer}"\nclient_id = "client-1"\ngrant_type = "refresh_token"\n'
        )
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(daemon.get, "gateway", timeout=60)
            # Held up as soon as it is there, however quick it is.
            (worker,) = until(lambda: workers(daemon))
            os.kill(worker, signal.SIGSTOP)
            handing = pool.submit(daemon.hand_over, "gateway", server.grant())
            until(lambda: outcomes(daemon) == ["grant-handed-over"])
            os.kill(worker, signal.SIGCONT)
            given = handing.result()
        assert given.status == 200, given.text
        answer = asked.result()

        assert answer.status == 200, answer.text
        assert answer.text.startswith("at-")
        assert daemon.get("gateway").text.startswith("at-")
        # By the one that waited and by the trial, where that did not join it.
        assert server.paths().count("token") <= 2


@pytest.fixture
def daemon(start_daemon: DaemonFactory, tmp_path: Path, server: OAuthServer) -> RunningDaemon:
    """Run a daemon that nobody has logged in to."""
    return start_daemon(
        permit_all(tmp_path) + '[credentials.gateway]\nprovider = "oauth"\n'
        f'issuer = "{server.issuer}"\nclient_id = "client-1"\n'
    )


def outcomes(daemon: RunningDaemon) -> list[str]:
    lines = (daemon.state_dir / "audit.log").read_text().splitlines()
    return [each["outcome"] for each in map(json.loads, lines) if each["action"] == "Manage"]


@pytest.mark.parametrize("killed", [False, True])
def test_g7_nonsense_leaves_the_login_that_works(
    daemon: RunningDaemon, server: OAuthServer, *, killed: bool
) -> None:
    """G7: it is tried, refused and said to be; what was there is served on, after a kill too."""
    good = daemon.hand_over("gateway", server.grant())
    assert (good.status, good.json()["works"]) == (200, True), good.text
    bad = daemon.hand_over("gateway", "nonsense")
    if killed:
        daemon.kill9()
        daemon.start()

    assert (bad.status, bad.kind) == (502, "provider-refused")
    assert "keeps its earlier login" in bad.json()["detail"]
    assert "run credward login gateway" in bad.json()["detail"]
    assert daemon.request("POST", "/v1/credentials/gateway/refresh").status == 200
    assert daemon.get("gateway").status == 200
    assert not server.families[0].revoked
    assert outcomes(daemon) == ["grant-handed-over", "grant-handed-over", "grant-turned-down"]


@pytest.mark.parametrize(
    "code", ["invalid_request", "unauthorized_client", "access_denied", "of their own"]
)
def test_g7_whatever_the_server_calls_it(
    daemon: RunningDaemon, server: OAuthServer, code: str
) -> None:
    """G7: any definite answer but a token leaves the login that works."""
    daemon.hand_over("gateway", server.grant())
    server.script = [Answer(status=400, body=json.dumps({"error": code}).encode())]
    bad = daemon.hand_over("gateway", "nonsense")

    assert "keeps its earlier login" in bad.json()["detail"], bad.text
    assert ("an unknown error code" if " " in code else code) in daemon.log()
    assert daemon.request("POST", "/v1/credentials/gateway/refresh").status == 200
    assert outcomes(daemon)[-2:] == ["grant-handed-over", "grant-turned-down"]


@pytest.mark.parametrize("now", [True, False], ids=["at once", "later"])
def test_g7_tokens_of_the_account_before_are_not_handed_out(
    start_daemon: DaemonFactory, tmp_path: Path, server: OAuthServer, *, now: bool
) -> None:
    """G7: as soon as it is known whose the grant is, whoever mints first; nor what came of them."""
    daemon = start_daemon(
        permit_all(tmp_path)
        + f'[grants.shared]\nprovider = "oauth"\nissuer = "{server.issuer}"\nclient_id = "client-1"\n'
        '[credentials.gateway]\nprovider = "oauth"\ngrant = "shared"\n'
        '[credentials.other]\nprovider = "oauth"\ngrant = "shared"\n'
    )
    daemon.hand_over("gateway", server.grant())
    before = {name: daemon.get(name).text for name in ("gateway", "other")}
    if not now:
        server.script = [Answer(status=503), Answer(status=503)]
    given = daemon.hand_over("gateway", server.grant(email="bob@example.com"))
    assert given.json()["works"] is now, given.text
    if not now:
        # The login before serves on, until the new one has worked.
        assert daemon.get("other").text == before["other"]
        assert daemon.request("POST", "/v1/credentials/gateway/refresh").status == 200

    for name, token in before.items():
        answer = daemon.get(name, timeout=60)
        assert (answer.status, answer.text != token) == (200, True)
    grants = daemon.request("GET", "/v1/credentials").json()["grants"]
    assert [each["account"] for each in grants] == ["bob@example.com"]


def test_g7_what_cannot_be_tried_now_does_not_replace_a_login(
    daemon: RunningDaemon, server: OAuthServer
) -> None:
    """G7: it is kept beside it, and tried by the next mint; the line says so."""
    daemon.hand_over("gateway", server.grant())
    # Twice: what may have been used up is tried again at once.
    server.script = [Answer(status=503), Answer(status=503)]
    given = daemon.hand_over("gateway", "nonsense").json()

    assert given["works"] is False
    assert "status 503" in given["message"]
    (grant,) = daemon.request("GET", "/v1/credentials").json()["grants"]
    assert (grant["state"], grant["account"]) == ("untried", "alice@example.com")
    assert daemon.request("POST", "/v1/credentials/gateway/refresh").status == 200
    assert not server.families[0].revoked


def test_g7_without_a_login_the_refusal_is_told(daemon: RunningDaemon, server: OAuthServer) -> None:
    """G7: there is nothing to go back to, and the answer is the one that everybody gets."""
    answer = daemon.hand_over("gateway", "nonsense")

    assert answer.kind == "login-required"
    assert "gateway" in answer.json()["detail"]
    assert daemon.get("gateway").kind == "login-required"
    assert daemon.hand_over("gateway", server.grant()).json()["works"] is True
    assert daemon.get("gateway").status == 200
