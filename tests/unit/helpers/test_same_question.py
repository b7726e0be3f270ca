"""Helper, twin and `credward get` hand over the same of an environment, so the daemon decides alike."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from credward.doors.unix_api.inputs import read_token_request
from credward.http.targets import read_target
from credward.policy.client_variables import VARIABLES_HEADER
from credward.policy.destinations import CLIENTS, VARIABLES
from credward.tokens import TokenRequest
from fakes.daemon import CannedDaemon, answer
from integration.warm import run_warm
from transcripts.programs import program
from waiting import PATIENCE

JUDGED = answer(body=b"token-1\n", headers=[(VARIABLES_HEADER, "judged")])
ASKERS = ("musl", "gcc-sanitized", "twin", "credward get")
API = "https://api.anthropic.com"

# What is set, and where Claude Code would send a token then.
ENVIRONMENTS: dict[str, tuple[dict[str, str], str | None]] = {
    "nothing": ({}, API),
    "a gateway": (
        {"ANTHROPIC_BASE_URL": "https://gw.example/a,b=c&d%20"},
        "https://gw.example/a,b=c&d%20",
    ),
    "odd characters": (
        {"ANTHROPIC_BASE_URL": "\thttps://\u00fc\n\x1b[2J"},
        "https://\u00fc\n\x1b[2J",
    ),
    "bytes that are no text": ({"ANTHROPIC_BASE_URL": "https://h\udcff"}, "https://h\ufffd"),
    **{
        f"{each.switch or 'no cloud'} by its variable": (
            {
                name: word
                for name, word in ((each.switch, "1"), (each.url, "https://x.example"))
                if name
            },
            "https://x.example" if each.url else None,
        )
        for each in CLIENTS
    },
    "a region": (
        {"CLAUDE_CODE_USE_BEDROCK": "true", "AWS_DEFAULT_REGION": "eu-west-1"},
        "https://bedrock-runtime.eu-west-1.amazonaws.com",
    ),
    "a continent": (
        {"CLAUDE_CODE_USE_VERTEX": "YES", "CLOUD_ML_REGION": "eu"},
        "https://aiplatform.eu.rep.googleapis.com",
    ),
    "a region that leads elsewhere": (
        {"CLAUDE_CODE_USE_BEDROCK": "on", "AWS_REGION": "evil.example/#"},
        None,
    ),
    "a yes with white space": (
        {"CLAUDE_CODE_USE_FOUNDRY": "\u00a0 Yes\r\n", "ANTHROPIC_FOUNDRY_RESOURCE": "r"},
        "https://r.services.ai.azure.com",
    ),
    "words that are no yes": (
        {"CLAUDE_CODE_USE_FOUNDRY": "yes please", "CLAUDE_CODE_USE_VERTEX": "2"},
        API,
    ),
    "two clouds": ({"CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_USE_VERTEX": "1"}, None),
    "all that is told": (dict.fromkeys(VARIABLES, "1"), None),
    "what stands between": (
        {
            "http_proxy": "http://u:p@h",
            "NODE_TLS_REJECT_UNAUTHORIZED": "0",
            "NODE_EXTRA_CA_CERTS": "/x",
        },
        API,
    ),
    **{
        name: ({name: "x"}, API)
        for each in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
        for name in (each, each.lower())
    },
    "an agent": ({"CLAUDECODE": "1", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "240000"}, API),
    "an agent with odd words": (
        {"CLAUDECODE": "0", "CLAUDE_CODE_API_KEY_HELPER_TTL_MS": "4 m"},
        API,
    ),
    "empty values": (dict.fromkeys((*VARIABLES, "HTTPS_PROXY", "CLAUDECODE"), ""), API),
}


def question(asker: str, environment: dict[str, str], daemon: CannedDaemon) -> TokenRequest:
    """Return what a daemon takes from what this *asker* asks."""
    command = program(asker)
    if command is None:
        pytest.skip(f"no compiler for {asker}")
    if asker == "credward get":
        done = run_warm(("get", "gateway"), environment, Path("/"), "", PATIENCE)
    else:
        done = subprocess.run(
            [*command, "gateway"],
            env=environment,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stdout) == (0, "token-1\n"), done.stderr
    path, query = read_target(daemon.asked[-1].split(" ")[1].encode())
    _, name, shape = path.rsplit("/", 2)
    return replace(read_token_request(name, shape, query), timeout=4.0)


@pytest.mark.parametrize(("environ", "address"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_daemon_takes_the_same_from_each(
    environment: dict[str, str], socket_path, environ: dict[str, str], address: str | None
) -> None:
    """One rule for where a token goes, in the daemon; whoever asks knows the names alone."""
    with CannedDaemon(socket_path, [JUDGED]) as daemon:
        found = [question(asker, environment | environ, daemon) for asker in ASKERS]

    assert found == [found[0]] * len(ASKERS)
    assert found[0].client_base_url == address
