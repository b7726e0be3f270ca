"""Helper, twin, `credward get` and programs hand over the same of an environment, so the daemon decides alike."""

from __future__ import annotations

import contextlib
import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

import credward
from credward.doors.unix_api.inputs import read_token_request
from credward.errors import BrokerError
from credward.http.targets import read_target
from credward.policy.client_variables import VARIABLES_HEADER
from credward.policy.destinations import CLIENTS, VARIABLES
from credward.tokens import TokenRequest
from fakes.daemon import CannedDaemon, answer
from integration.warm import run_warm
from transcripts.programs import program
from waiting import PATIENCE

JUDGED = answer(body=b"token-1\n", headers=[(VARIABLES_HEADER, "judged")])
ASKERS = ("musl", "gcc-sanitized", "twin", "credward get", "python")
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
            "CLAUDE_CODE_HTTPS_PROXY": "http://u:p@h",
            "CLAUDE_CODE_HTTP_PROXY": "h@h@h",
            "SSL_CERT_FILE": "/x",
            "SSL_CERT_DIR": "/y",
        },
        API,
    ),
    **{
        f"a proxy {value!r}": ({"HTTPS_PROXY": value}, API)
        for value in (
            *(
                "http://h",
                "https://H:8443/",
                "socks5h://h",
                "h:3128",
                "u:p@h:1",
                "http://[::1]:3128",
            ),
            *(
                "http://u:p@h@evil",
                "http://u:p/w@h",
                "http://evil\\@h",
                "http://evil#@h",
                "http://",
            ),
            *("http://h:1/x", "http://h:1?x", "http://h:", "http://h:1x", "//h:1", "http://[]:1"),
            *("http://\t h", "http://\u00fc:1", "1.2+-x://h:1", "://h:1", f"http://{'h' * 400}:1"),
            *("http://u!\"$%&'()*+,-.:;<=>[]^_`{|}~p@h:1", f"http://{'h' * 291}:1", "[::1", "@h:1"),
        )
    },
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
    if asker == "python":
        return question_of_program(environment, daemon)
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


def question_of_program(environment: dict[str, str], daemon: CannedDaemon) -> TokenRequest:
    """Return the same of a program that imports credward, but for how long it keeps what it gets."""
    with pytest.MonkeyPatch.context() as patch:
        for each in tuple(os.environ):
            patch.delenv(each)
        for each, value in environment.items():
            patch.setenv(each, value)
        patch.chdir("/")
        # It wants more than the daemon of these tests says.
        with contextlib.suppress(BrokerError):
            credward.token_provider("gateway")()
    path, query = read_target(daemon.asked[-1].split(" ")[1].encode())
    asked = {each: query[each] for each in query if each not in {"cache_ttl", "min_remaining"}}

    assert path == "/v1/credentials/gateway/json"
    return replace(read_token_request("gateway", "token", asked), timeout=4.0)


@pytest.mark.parametrize(("environ", "address"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_daemon_takes_the_same_from_each(
    environment: dict[str, str], socket_path, environ: dict[str, str], address: str | None
) -> None:
    """One rule for where a token goes, in the daemon; whoever asks knows the names alone."""
    with CannedDaemon(socket_path, [JUDGED]) as daemon:
        found = [question(asker, environment | environ, daemon) for asker in ASKERS]

    assert found == [found[0]] * len(ASKERS)
    assert found[0].client_base_url == address


@pytest.mark.parametrize("variable", ["NODE_EXTRA_CA_CERTS", "SSL_CERT_FILE"])
@pytest.mark.parametrize(
    "content", [b"", b"x", b"a" * 55, b"b" * 56, b"c" * 64, b"d" * 119, b"e" * 4000, bytes(1 << 20)]
)
def test_s2_authorities_are_told_by_their_content(
    environment: dict[str, str], socket_path, tmp_path: Path, variable: str, content: bytes
) -> None:
    """The digest of the file that the agent uses, of every length that pads differently."""
    file = tmp_path / "corp.pem"
    file.write_bytes(content)
    environ = environment | {variable: str(file)}
    with CannedDaemon(socket_path, [JUDGED]) as daemon:
        found = [question(asker, environ, daemon).client_flags for asker in ASKERS]

    (flag,) = found[0]
    assert flag.variable == variable
    assert found == [found[0]] * len(ASKERS)
    assert flag.word == f"extra-ca=sha256:{hashlib.sha256(content).hexdigest()}"
    assert flag.file == str(file)


@pytest.mark.parametrize("kind", ["missing", "directory", "pipe", "device", "too long"])
def test_s2_unreadable_authorities_have_no_digest(
    environment: dict[str, str], socket_path, tmp_path: Path, kind: str
) -> None:
    """Nobody waits for the other end of a pipe, and nothing endless is read."""
    file = Path("/dev/zero") if kind == "device" else tmp_path / "corp.pem"
    match kind:
        case "directory":
            file.mkdir()
        case "pipe":
            os.mkfifo(file)
        case "too long":
            file.write_bytes(bytes((1 << 20) + 1))
    environ = environment | {"NODE_EXTRA_CA_CERTS": str(file)}
    with CannedDaemon(socket_path, [JUDGED]) as daemon:
        found = [question(asker, environ, daemon).client_flags for asker in ASKERS]

    assert found == [found[0]] * len(ASKERS)
    assert {each.word for each in found[0]} == {"extra-ca"}


@pytest.mark.parametrize("same", [True, False], ids=["one file twice", "two files"])
def test_s2_each_file_of_authorities_is_told(
    environment: dict[str, str], socket_path, tmp_path: Path, same: bool
) -> None:
    """A shell of a company often names its file in both variables."""
    first, second = tmp_path / "corp.pem", tmp_path / "bundle.pem"
    first.write_text("a")
    second.write_text("b")
    named = {"NODE_EXTRA_CA_CERTS": str(first), "SSL_CERT_FILE": str(first if same else second)}
    with CannedDaemon(socket_path, [JUDGED]) as daemon:
        found = [question(asker, environment | named, daemon).client_flags for asker in ASKERS]

    digests = [hashlib.sha256(each).hexdigest() for each in ((b"a",) if same else (b"a", b"b"))]
    assert found == [found[0]] * len(ASKERS)
    assert {each.word for each in found[0]} == {f"extra-ca=sha256:{each}" for each in digests}
    assert {each.variable for each in found[0]} == set(named)
