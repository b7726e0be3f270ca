"""A login at IAM Identity Center by a whole daemon: made, renewed, never spent twice."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request

import pytest

from fakes.aws_sso import START_URL, AwsSso, serving_sso

CONFIG = f"""
[credentials.deploy]
provider = "aws"
sso_start_url = "{START_URL}"
sso_region = "eu-central-1"
sso_account_id = "123456789012"
sso_role_name = "Agent"
"""


@pytest.fixture
def sso():
    with serving_sso() as server:
        yield server


@pytest.fixture
def daemon(start_daemon, sso):
    return start_daemon(CONFIG, environment={"AWS_ENDPOINT_URL": sso.url})


def cli(daemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "credward", *arguments],
        env=daemon.environment,
        cwd=daemon.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def mint(daemon) -> str:
    """Have a new token minted, and return whose key it is."""
    done = cli(daemon, "refresh", "deploy")
    assert done.returncode == 0, done.stderr
    answer = daemon.get("deploy", "json", timeout=60)
    assert answer.status == 200, answer.text
    return json.loads(answer.json()["token"])["AccessKeyId"]


def test_t9_one_login_lasts(daemon, sso: AwsSso):
    """Through rotations, a failing portal in the middle of one, and kill -9; the last one ends it."""
    sso.pending = 1
    # So that each mint renews the access token, for its end is near.
    sso.access_lifetime = 200
    before = daemon.get("deploy", timeout=60)
    done = cli(daemon, "login", "deploy", "--device", "--no-browser")

    assert before.kind == "login-required"
    assert done.returncode == 0, done.stderr
    assert "ABCD-EFGH" in done.stdout + done.stderr
    first = mint(daemon)
    token = sso.refresh_token
    assert mint(daemon) != first
    assert sso.refresh_token != token

    sso.broken["/federation/credentials"] = (503, "text/html", b"<html>")
    token = sso.refresh_token
    cli(daemon, "refresh", "deploy")
    assert sso.refresh_token != token
    sso.broken.clear()
    last = mint(daemon)
    daemon.kill9()
    daemon.start()
    assert mint(daemon) != last
    assert sso.refusals == []

    sso.end_sessions()
    cli(daemon, "refresh", "deploy")
    # The keys of before are good for an hour, and are handed out while people are told.
    assert daemon.get("deploy", "json", timeout=60).status == 200
    assert "credward login deploy" in json.dumps(daemon.status("deploy"))


def test_logs_in_by_the_browser(daemon, sso: AwsSso):
    """The redirect comes to loopback, wherever the browser was opened."""
    with subprocess.Popen(
        [sys.executable, "-m", "credward", "login", "deploy", "--no-browser", "--json"],
        env=daemon.environment,
        cwd=daemon.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    ) as login:
        events = map(json.loads, login.stdout)
        url = next(event["url"] for event in events if event["event"] == "open_url")
        urllib.request.urlopen(sso.browse(url), timeout=60).close()
        assert [event["event"] for event in events][-1] == "done"

    assert login.returncode == 0
    assert daemon.get("deploy", "json", timeout=60).status == 200
