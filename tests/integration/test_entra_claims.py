"""Claims challenges of Entra ID: what Conditional Access wants of a user is asked for by the next login."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from fakes.entra_server import CLIENT, TENANT, USER, EntraServer, entra_server, refusal
from integration.command_line import by_owner, cli, login_events
from integration.daemon import DaemonFactory, RunningDaemon, permit_all
from waiting import until

CHALLENGE = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'


@pytest.fixture
def entra(tmp_path: Path) -> Iterator[EntraServer]:
    """Return an authority."""
    with entra_server(tmp_path) as running:
        yield running


@pytest.fixture
def daemon(start_daemon: DaemonFactory, entra: EntraServer, tmp_path: Path) -> RunningDaemon:
    """Return a daemon that alice has logged in, and a credential without claims."""
    running = start_daemon(
        permit_all(tmp_path) + f'[network]\nca = "{entra.ca}"\n'
        f'[credentials.gateway]\nprovider = "entra"\nauthority = "{entra.https}"\n'
        f'tenant = "{TENANT}"\nclient_id = "{CLIENT}"\nscope = "api://gateway/.default"\n'
        '[credentials.other]\nprovider = "oauth"\ntoken_endpoint = "https://127.0.0.1:9/t"\n'
        'client_id = "x"\ngrant_type = "refresh_token"\n'
    )
    entra.refresh_token = "first"
    grant = json.dumps({"refresh_token": "first", "account": USER})
    assert running.hand_over("gateway", grant).status == 200
    return running


def begin(daemon: RunningDaemon, name: str = "gateway", **words: Any) -> Any:
    """Start a login by the browser."""
    body = json.dumps({"method": "browser", **words}).encode()
    return daemon.request("POST", f"/v1/grants/{name}/login", body=body)


def claims_asked(daemon: RunningDaemon, login: dict[str, Any]) -> Any:
    """Return what the page of a login is asked to have the user prove; ends the login."""
    events: list[dict[str, Any]] = []

    def opened() -> bool:
        events[:] = login_events(daemon, login["login_id"])
        return any(each["event"] == "open_url" for each in events)

    until(opened)
    daemon.request("DELETE", f"/v1/logins/{login['login_id']}")
    url = next(each["url"] for each in events if each["event"] == "open_url")
    query = parse_qs(urlsplit(url).query)
    return json.loads(query["claims"][0]) if "claims" in query else None


@pytest.mark.slow
def test_the_next_login_meets_what_a_renewal_was_refused_for(
    daemon: RunningDaemon, entra: EntraServer
) -> None:
    """Also after a restart; nobody has to copy anything."""
    assert daemon.get("gateway").status == 200
    entra.refusal = refusal(50076, suberror="basic_action", claims=CHALLENGE)
    daemon.request("POST", "/v1/credentials/gateway/refresh")
    daemon.stop()
    daemon.start()
    refused = daemon.get("gateway")
    started = begin(daemon)

    assert refused.kind == "login-required"
    assert "AADSTS50076" in refused.text
    assert refused.json()["hint"].find(CHALLENGE) < 0
    asked = claims_asked(daemon, started.json())
    assert asked["access_token"]["acrs"] == {"essential": True, "value": "c1"}


def test_a_challenge_that_an_api_answered_is_handed_back(daemon: RunningDaemon) -> None:
    """A login without one asks for nothing more; claims that are none are refused at once."""
    plain = claims_asked(daemon, begin(daemon).json())
    until(lambda: not begin(daemon, claims="[]").json().get("attached", False))
    asked = claims_asked(daemon, begin(daemon, claims=CHALLENGE).json())
    other = begin(daemon, "other", claims=CHALLENGE)

    assert plain is None
    assert asked["access_token"]["acrs"] == {"essential": True, "value": "c1"}
    assert begin(daemon, claims="[1]").json()["kind"] == "bad-request"
    assert other.status == 400
    assert "run credward login other" in other.text


@by_owner
@pytest.mark.parametrize(
    "text",
    [CHALLENGE, base64.urlsafe_b64encode(CHALLENGE.encode()).decode().rstrip("=")],
    ids=["json", "base64"],
)
def test_the_command_takes_a_challenge_as_it_came(daemon: RunningDaemon, text: str) -> None:
    """JSON, or the base64 in which `WWW-Authenticate` has it."""
    wrong = cli(daemon, "login", "gateway", "--claims", "%%%")
    shown = cli(daemon, "login", "gateway", "--wait", "0", "--claims", text)

    assert "--claims must be a JSON object, or the base64 of one" in wrong.stderr
    url = next(word for word in shown.stderr.split() if word.startswith("https://"))
    assert json.loads(parse_qs(urlsplit(url).query)["claims"][0]) == json.loads(CHALLENGE)
