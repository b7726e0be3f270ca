"""Set-ups of tools against a real daemon: the tools themselves get what the credential gives."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.messages_api import MessagesApi
from fakes.ports import kept_port
from integration.claude_code import QUIET, ClaudeCode, find_claude
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import block
from integration.minting import MintProgram
from transcripts.programs import native_helper

SERVE = '[credentials.given.serve]\naudiences = ["https://vault.azure.net"]\n'
AZ = """#!/bin/sh
echo "{\\"accessToken\\": \\"entra-token\\", \\"expires_on\\": $(($(date +%s) + 7200))}"
"""
GOOGLE = """
import google.auth, google.auth.transport.requests
found, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
found.refresh(google.auth.transport.requests.Request())
print(found.token)
"""
AZURE = """
import msal, requests
client = msal.ManagedIdentityClient(msal.SystemAssignedManagedIdentity(), http_client=requests.Session())
print(client.acquire_token_for_client(resource="https://vault.azure.net")["access_token"])
"""


@pytest.fixture
def port() -> Iterator[int]:
    with kept_port() as port:
        yield port


def in_new_shell(daemon: RunningDaemon, line: str) -> subprocess.CompletedProcess[str]:
    """Run *line* in a bash that has read its file, as in a terminal that was just opened."""
    environ = {**daemon.environment, "NO_GCE_CHECK": "false"}
    return subprocess.run(
        ["bash", "--noprofile", "--rcfile", "/dev/null", "-c", f". ~/.bashrc; {line}"],
        env=environ,
        cwd=daemon.home,
        capture_output=True,
        text=True,
        timeout=60,
    )


def doctor(daemon: RunningDaemon, check: str) -> list[tuple[str, str]]:
    """Return the marks and texts of what doctor finds under *check*."""
    told = json.loads(cli(daemon, "doctor", "given", "--json").stdout)
    return [(each["mark"], each["text"]) for each in told["findings"] if each["check"] == check]


@pytest.mark.parametrize(
    ("tool", "door", "title", "asking"),
    [
        ("gcp", "gce", "Google's SDKs", GOOGLE),
        ("azure", "azure-app-service", "Azure's SDKs", AZURE),
        ("azure", "azure-imds", "Azure's SDKs", AZURE),
    ],
)
def test_an_sdk_in_a_new_shell_finds_the_endpoint(
    start_daemon: DaemonFactory,
    program: MintProgram,
    port: int,
    tool: str,
    door: str,
    title: str,
    asking: str,
) -> None:
    """Unmodified; doctor sees the endpoint, and says so when it is gone."""
    config = program.block("given") + SERVE
    daemon = start_daemon(config + block(door, "given", port=port))
    done = cli(daemon, "setup", tool, "given", "--yes", "--json", SHELL="/bin/bash")
    assert done.returncode == 0, done.stderr
    ran = in_new_shell(daemon, f"{sys.executable} -c {shlex.quote(asking)}")
    file = daemon.home / ".bashrc"

    assert ran.stdout.startswith("opaque-"), ran.stderr
    assert "opaque-" not in file.read_text()
    assert doctor(daemon, title) == [("ok", f"{file} is as set-up wrote it")]
    daemon.config_file.write_text(config)
    assert cli(daemon, "daemon", "reload").returncode == 0
    ((mark, text),) = doctor(daemon, title)
    assert mark == "fail"
    assert f"{file} leads to port {port} where no endpoint of ours is" in text


def test_ant_gets_a_fresh_token_for_each_command(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """From the real helper; here a script stands for it, which is not installed everywhere."""
    daemon = start_daemon(program.block("given"))
    programs = daemon.home / "bin"
    programs.mkdir()
    shutil.copy(native_helper("gcc"), programs / "credward-helper")
    (programs / "ant").write_text('#!/bin/sh\necho "$ANTHROPIC_AUTH_TOKEN $*"\n')
    (programs / "ant").chmod(0o755)
    daemon.environment["PATH"] = f"{programs}:{daemon.environment['PATH']}"
    done = cli(daemon, "setup", "ant", "given", "--yes", "--json", SHELL="/bin/bash")
    assert done.returncode == 0, done.stderr
    first = in_new_shell(daemon, "ant models list").stdout
    cli(daemon, "get", "--fresh", "given")
    second = in_new_shell(daemon, "ant models list; echo $ANTHROPIC_AUTH_TOKEN").stdout

    assert (first, second) == ("opaque-1 models list\n", "opaque-2 models list\n\n")


@pytest.mark.parametrize("by_endpoint", [True, False])
def test_claude_code_gets_to_foundry(
    start_daemon: DaemonFactory, tmp_path: Path, port: int, by_endpoint: bool
) -> None:
    """The real one: by the identity endpoint, or with what the helper prints; doctor agrees."""
    az, programs = tmp_path / "az", tmp_path / "bin"
    az.write_text(AZ)
    az.chmod(0o755)
    programs.mkdir()
    shutil.copy(native_helper("gcc"), programs / "credward-helper")
    with MessagesApi() as api:
        config = (
            f'[credentials.given]\nprovider = "entra"\nsource = "{az}"\nresource = "my-res"\n'
            f'base_url = "{api.url}"\n'
        )
        if by_endpoint:
            config += block("azure-imds", "given", port=port)
        daemon = start_daemon(config)
        daemon.environment["PATH"] = f"{programs}:{daemon.environment['PATH']}"
        done = cli(daemon, "setup", "claude-code", "given", "--yes")
        assert done.returncode == 0, done.stdout + done.stderr
        kept = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
        environ = {name: daemon.environment[name] for name in kept}
        claude = ClaudeCode(find_claude(), {**environ, **QUIET}, tmp_path)
        said = claude.ask()
        settings = (daemon.home / ".claude/settings.json").read_text()

        assert not said["is_error"], said
        assert {each.bearer for each in api.seen} == {"entra-token"}
        assert ("apiKeyHelper" in settings) != by_endpoint
        assert (f"127.0.0.1:{port}" in settings) == by_endpoint
