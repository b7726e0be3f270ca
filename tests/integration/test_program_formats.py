"""Clients that get their credential from a program: boto3, google-auth and Claude Code, as they are.

Each over one rotation, and with a failure: what it shows holds our line, if it shows anything.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import google.auth.exceptions
import google.auth.pluggable
import google.auth.transport.requests
import jwt
import pytest
from botocore.config import Config

from fakes.bedrock import Bedrock
from fakes.google_server import Google, serving
from integration.claude_code import find_claude
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import keys
from integration.minting import MintProgram
from integration.moto import REGION, Moto, serving_moto
from transcripts.programs import ROOT, native_helper

# By the native helper, its twin, and the command: as a program, each is one.
PROGRAMS = {
    "helper": lambda: [str(native_helper("gcc"))],
    "twin": lambda: [sys.executable, str(ROOT / "helpers/helper.py")],
    "get": lambda: [sys.executable, "-m", "credward", "get"],
}
BY = pytest.mark.parametrize(
    "by",
    [pytest.param(name, marks=() if name == "helper" else pytest.mark.slow) for name in PROGRAMS],
)
LINE = 'credward: "given" '
PAGE = ROOT / "docs/how-to/from-a-program.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
Surround = Callable[[RunningDaemon], None]


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with serving_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def surround(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Surround:
    """Give this process the environment of a daemon's caller, in a folder that is no repository."""

    def run(daemon: RunningDaemon) -> None:
        for name in [each for each in os.environ if each.startswith(("AWS_", "GOOGLE_"))]:
            monkeypatch.delenv(name)
        for name in ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PYTHONPATH"):
            monkeypatch.setenv(name, daemon.environment[name])
        monkeypatch.setenv("CREDWARD_NO_START", "1")
        monkeypatch.chdir(tmp_path)

    return run


def asked(by: str, format_name: str) -> str:
    return shlex.join([*PROGRAMS[by](), "--format", format_name, "given"])


def example(word: str, format_name: str, command: str) -> str:
    """Return the example of the page with *word* in it, and *command* in place of its helper."""
    (text,) = [each for _, each in FENCE.findall(PAGE.read_text()) if word in each]
    found = re.sub(rf"/usr/local/bin/credward-helper --format {format_name} [a-z]+", command, text)
    assert found != text
    return found


# --- boto3 ------------------------------------------------------------------------------------


def session(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str) -> boto3.Session:
    """Return one with the profile of the page."""
    config = tmp_path / "aws-config"
    config.write_text(example("credential_process", "aws-process", command))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return boto3.Session(profile_name="work")


def sts(made: boto3.Session, moto: Moto) -> Any:
    return made.client(
        "sts", endpoint_url=moto.url, config=Config(retries={"total_max_attempts": 1})
    )


@BY
def test_boto3_over_a_rotation(
    start_daemon: DaemonFactory,
    moto: Moto,
    surround: Surround,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by: str,
) -> None:
    """With the shortest session there is, in whose last 15 minutes it asks at each use.

    Every ask is answered from memory, and with the new keys once there are new ones.
    """
    daemon = start_daemon(
        f'[credentials.given]\nprovider = "aws"\nregion = "{REGION}"\n'
        f'role_arn = "{moto.role("first")}"\nsource = {{ env = "KEYS" }}\nduration_seconds = 900\n',
        environment={"KEYS": moto.keys(), "AWS_ENDPOINT_URL_STS": moto.url},
    )
    surround(daemon)
    made = session(monkeypatch, tmp_path, asked(by, "aws-process"))
    client = sts(made, moto)
    used = []
    for turn in range(6):
        if turn == 3:
            path = "/v1/credentials/given/refresh?timeout=60"
            assert daemon.request("POST", path).status == 200
        assert client.get_caller_identity()["Arn"].endswith("assumed-role/first/credward-given")
        used.append(made.get_credentials().get_frozen_credentials().access_key)

    assert len(set(used[:3])) == len(set(used[3:])) == 1
    assert used[0] != used[-1]
    minted = {
        record["token_id"]
        for record in map(json.loads, (daemon.state_dir / "audit.log").read_text().splitlines())
        if record.get("format") == "aws-process"
    }
    assert len(minted) == 2


def test_keys_outlive_the_window_of_botocore(
    start_daemon: DaemonFactory,
    program: MintProgram,
    surround: Surround,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Where the role allows more than 16 minutes, it asks once."""
    daemon = start_daemon(keys(program))
    surround(daemon)
    credentials = session(monkeypatch, tmp_path, asked("helper", "aws-process")).get_credentials()
    assert credentials is not None
    for _ in range(5):
        assert credentials.get_frozen_credentials().access_key == "AKIA1"

    issued = (daemon.state_dir / "audit.log").read_text().count('"aws-process"')
    assert (program.mints, issued) == (1, 1)


@BY
def test_boto3_shows_our_line(
    start_daemon: DaemonFactory,
    program: MintProgram,
    surround: Surround,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by: str,
) -> None:
    daemon = start_daemon(keys(program))
    program.set(exit=3)
    surround(daemon)
    with pytest.raises(botocore.exceptions.CredentialRetrievalError) as caught:
        session(monkeypatch, tmp_path, asked(by, "aws-process")).get_credentials()

    assert LINE in str(caught.value)
    assert ": run " in str(caught.value).partition(LINE)[2]


# --- google-auth ------------------------------------------------------------------------------


@pytest.fixture
def google_cloud() -> Iterator[Google]:
    with serving(Google()) as running:
        yield running


def ask_google(google_cloud: Google, command: str, tmp_path: Path) -> Any:
    """Return credentials as an application gets them from the file of a workload identity pool."""
    file = tmp_path / "pool.json"
    text = example("external_account", "gcp-executable", command)
    file.write_text(text.replace("https://", f"http://127.0.0.1:{google_cloud.port}/"))
    found = google.auth.pluggable.Credentials.from_file(str(file))
    return found.with_scopes(["https://www.googleapis.com/auth/cloud-platform"])


@BY
def test_google_auth_over_a_rotation(
    start_daemon: DaemonFactory,
    google_cloud: Google,
    surround: Surround,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by: str,
) -> None:
    """A pool that knows our keys takes the token, and the next one."""
    daemon = start_daemon('[credentials.given]\nprovider = "local"\naudience = "pool"\n')
    surround(daemon)
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    published = daemon.request("GET", "/v1/credentials/given/jwks").json()
    key = jwt.PyJWKSet.from_dict(published).keys[0]
    subjects: list[str] = []

    def takes(token: str) -> bool:
        jwt.decode(token, key.key, algorithms=[key.algorithm_name], audience="pool")
        subjects.append(token)
        return True

    google_cloud.takes = takes
    credentials = ask_google(google_cloud, asked(by, "gcp-executable"), tmp_path)
    request = google.auth.transport.requests.Request()
    credentials.refresh(request)
    first = credentials.token
    assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200
    credentials.refresh(request)

    assert credentials.valid
    assert {google_cloud.bearers[first], google_cloud.bearers[credentials.token]} == {"pool"}
    assert len(set(subjects)) == 2


@BY
@pytest.mark.parametrize("running", [True, False])
def test_google_auth_shows_our_line(
    start_daemon: DaemonFactory,
    google_cloud: Google,
    program: MintProgram,
    surround: Surround,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    by: str,
    running: bool,
) -> None:
    """Also where no daemon is there to say it."""
    program.set(exit=3)
    daemon = start_daemon(program.block("given"))
    if not running:
        daemon.stop()
    surround(daemon)
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    credentials = ask_google(google_cloud, asked(by, "gcp-executable"), tmp_path)
    with pytest.raises(google.auth.exceptions.RefreshError) as caught:
        credentials.refresh(google.auth.transport.requests.Request())

    line = LINE if running else "credward: the daemon is not running"
    code = "76" if running else "69"
    assert f"unsuccessful response: code: {code}, message: {line}" in str(caught.value)


# --- headers ----------------------------------------------------------------------------------

SEVERAL = (
    '[credentials.litellm]\nprovider = "static"\nsecret = {{ env = "KEY" }}\nheader = "{header}"\n'
)


@BY
def test_several_fill_one_object(
    start_daemon: DaemonFactory, program: MintProgram, by: str, surround: Surround
) -> None:
    """Each is decided and recorded; another format, or the same header, is an error of one line."""
    daemon = start_daemon(
        program.block("vertex")
        + SEVERAL.format(header="x-litellm-api-key")
        + program.block("other"),
        environment={"KEY": "sk-1"},
    )
    surround(daemon)

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [*PROGRAMS[by](), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    done = run("--format", "headers", "vertex", "litellm")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "Authorization": "Bearer opaque-1",
        "x-litellm-api-key": "sk-1",
    }
    lines = [json.loads(line) for line in (daemon.state_dir / "audit.log").open()]
    issued = {line["credential"] for line in lines if line.get("outcome") == "issued"}
    assert issued == {"vertex", "litellm"}

    clash = run("--format", "headers", "vertex", "other")
    assert (clash.returncode, clash.stdout) == (78, "")
    assert clash.stderr == (
        'credward: "vertex" and "other" both fill the header Authorization: '
        "set header in [credentials.other] to another one\n"
    )
    assert run("vertex", "litellm").returncode == 64
    program.set(exit=3)
    assert daemon.request("POST", "/v1/credentials/vertex/rejected").status == 202
    failed = run("--format", "headers", "litellm", "vertex")
    assert (failed.returncode, failed.stdout) == (76, "")
    assert failed.stderr.startswith('credward: "vertex" ')
    assert failed.stderr.count("\n") == 1


# --- Claude Code ------------------------------------------------------------------------------


class Claude:
    """Claude Code for Bedrock, whose keys come from a program."""

    def __init__(self, daemon: RunningDaemon, bedrock: Bedrock, folder: Path) -> None:
        self.folder = folder / "claude"
        self.folder.mkdir()
        self.helper = self.folder / "credward-helper"
        shutil.copy(native_helper("gcc"), self.helper)
        kept = ("HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "XDG_CONFIG_HOME")
        self.environ = {
            **{name: daemon.environment[name] for name in kept},
            "PATH": "/usr/bin:/bin",
            "CLAUDE_CONFIG_DIR": str(self.folder),
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "AWS_REGION": "us-east-1",
            "ANTHROPIC_BEDROCK_BASE_URL": bedrock.url,
            "ANTHROPIC_MODEL": "us.anthropic.claude-x",
            "ANTHROPIC_SMALL_FAST_MODEL": "us.anthropic.claude-x",
            "AWS_EC2_METADATA_DISABLED": "true",
            "CLAUDE_CODE_MAX_RETRIES": "3",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "IS_SANDBOX": "1",
        }

    def exports(self, format_name: str) -> Claude:
        """Have `awsCredentialExport` ask us."""
        command = f"{self.helper} --format {format_name} given"
        settings = example("awsCredentialExport", "aws-export", command)
        (self.folder / "settings.json").write_text(settings)
        return self

    def by_profile(self) -> Claude:
        """Have a profile ask us, which is what docs/how-to/from-a-program.md recommends."""
        config = self.folder / "aws-config"
        command = f"{self.helper} --format aws-process given"
        config.write_text(example("credential_process", "aws-process", command))
        self.environ |= {"AWS_PROFILE": "work", "AWS_CONFIG_FILE": str(config)}
        return self

    def ask(self) -> tuple[dict[str, Any], str]:
        done = subprocess.run(
            [*find_claude(), "-p", "say hi", "--output-format", "json"],
            env=self.environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
        )
        return json.loads(done.stdout), done.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", ["aws-export", "aws-process", "profile"])
def test_claude_code_signs_with_the_keys(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path, way: str
) -> None:
    """Nested and flat, and by a profile; it asks once in a run, the next one has the new keys."""
    with Bedrock() as bedrock:
        daemon = start_daemon(keys(program))
        claude = Claude(daemon, bedrock, tmp_path)
        claude = claude.by_profile() if way == "profile" else claude.exports(way)
        for turn in (1, 2):
            bedrock.seen.clear()
            result, _ = claude.ask()
            assert result["is_error"] is False, result
            assert {each.token for each in bedrock.seen} == {f"AKIA{turn}"}
            assert set(bedrock.sessions) <= {"session-1", "session-2"}
            assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200

    lines = map(json.loads, (daemon.state_dir / "audit.log").read_text().splitlines())
    assert sum(line.get("outcome") == "issued" for line in lines) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_g11_a_session_that_ended_early_is_replaced(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """Claude Code runs the export again, which says that Amazon refused the keys: one more mint."""
    with Bedrock() as bedrock:
        daemon = start_daemon(keys(program))
        bedrock.refuse = lambda key: key == "AKIA1"
        result, _ = Claude(daemon, bedrock, tmp_path).exports("aws-export").ask()

    assert result["is_error"] is False, result
    assert bedrock.seen[-1].token == "AKIA2"
    assert program.mints == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_claude_code_shows_of_a_failure(
    start_daemon: DaemonFactory, program: MintProgram, tmp_path: Path
) -> None:
    """Nothing of what a program says: if this changes, docs/how-to/from-a-program.md can say better."""
    program.set(exit=3)
    with Bedrock() as bedrock:
        daemon = start_daemon(keys(program))
        result, said = Claude(daemon, bedrock, tmp_path).exports("aws-export").ask()

    assert result["is_error"] is True
    assert "awsCredentialExport did not return a valid value" in said
    assert "Could not load AWS credentials" in result["result"]
    assert daemon.status("given")["failure"]["message"].startswith('"given" got no token')
    assert LINE not in said
