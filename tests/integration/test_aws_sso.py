"""A login at IAM Identity Center by a whole daemon: made, renewed, never spent twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

import pytest

from fakes.aws_sso import START_URL, AwsSso, serving_sso
from integration.command_line import cli
from transcripts.programs import native_helper

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


def test_what_is_derived_of_another_credentials_keys_ends_with_them(start_daemon, sso):
    """The login of one credential serves those that name it; they know when its keys end."""
    sso.role_lifetime = 1800
    daemon = start_daemon(
        f"{CONFIG}\n[credentials.claude]\nprovider = 'aws'\nsource = {{ credential = 'deploy' }}\n"
        "derive = 'bedrock-api-key'\nregion = 'eu-central-1'\n",
        environment={"AWS_ENDPOINT_URL": sso.url},
    )
    assert cli(daemon, "login", "deploy", "--device", "--no-browser").returncode == 0
    bedrock = "https://bedrock-runtime.eu-central-1.amazonaws.com"
    key = daemon.get("claude", "json", timeout=20, client_base_url=bedrock)

    assert key.status == 200, key.text
    assert key.json()["token"].startswith("bedrock-api-key-")
    assert 1700 < key.json()["expires_at"] - time.time() <= 1800


def test_doctor_asks_for_keys_in_the_shape_that_they_have(start_daemon, sso, tmp_path):
    """Three keys are no token of one line, which is no fault of theirs."""
    helper = native_helper("gcc")
    if helper is None:
        pytest.skip("there is no C compiler")
    programs = tmp_path / "programs"
    programs.mkdir()
    shutil.copy(helper, programs / "credward-helper")
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    daemon = start_daemon(CONFIG, environment={"AWS_ENDPOINT_URL": sso.url, "PATH": path})
    assert cli(daemon, "login", "deploy", "--device", "--no-browser").returncode == 0
    # A first mint imports the SDK: doctor warns of what is slow, and a busy machine makes it so.
    assert daemon.get("deploy", "json", timeout=60).status == 200
    examined = cli(daemon, "doctor", "deploy")
    refused = cli(daemon, "setup", "claude-code", "deploy", "--yes")

    assert examined.returncode == 0, examined.stdout
    assert " helper run: a token of " in examined.stdout
    # Which region Claude Code asks is not in the credential.
    assert '"deploy" has no region: add --region REGION' in refused.stderr
    assert not (daemon.home / ".claude").exists()


def mint(daemon) -> str:
    """Have a new token minted, and return whose key it is."""
    done = cli(daemon, "get", "--fresh", "--format", "json", "deploy")
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
    cli(daemon, "get", "--fresh", "--format", "json", "deploy")
    assert sso.refresh_token != token
    sso.broken.clear()
    last = mint(daemon)
    daemon.kill9()
    daemon.start()
    assert mint(daemon) != last
    assert sso.refusals == []

    sso.end_sessions()
    cli(daemon, "get", "--fresh", "--format", "json", "deploy")
    # The keys of before are good for an hour, and are handed out while people are told.
    assert daemon.get("deploy", "json", timeout=60).status == 200
    assert "credward login deploy" in json.dumps(daemon.status("deploy"))


@pytest.mark.slow
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
