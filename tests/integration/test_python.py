"""Programs in Python: real SDKs that have their credentials from a real daemon, each across a rotation."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import google.auth.aio.transport
import pytest
from botocore.exceptions import CredentialRetrievalError
from google.auth.aio.transport.sessions import AsyncAuthorizedSession
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession

import credward
from credward.errors import BrokerError, Kind
from fakes.http_server import Handler, HttpServer
from fakes.messages_api import MessagesApi
from fakes.model_service import AwsKeys, ModelService
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import block, endpoints
from integration.minting import MintProgram
from integration.moto import REGION, Moto, serving_moto

ASKED: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "hi"}],
}
FOREIGN = ("ANTHROPIC_", "AWS_", "CLAUDE", "CREDWARD_", "GOOGLE_", "SSL_", "XDG_")
# A rotation in a test: tokens last this long, and requests are sent for more than twice as long (s).
LIFE, REQUESTS_FOR = 2.0, 5.0


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[RunningDaemon], None]:
    """Return what makes this process one of the user of a daemon."""

    def move(daemon: RunningDaemon) -> None:
        for name in tuple(os.environ):
            if name.startswith(FOREIGN):
                monkeypatch.delenv(name)
        for name, value in daemon.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)

    return move


@pytest.fixture
def started(
    start_daemon: DaemonFactory, program: MintProgram, inside: Callable[[RunningDaemon], None]
) -> RunningDaemon:
    """A daemon with a credential "given", in whose environment this process is."""
    daemon = start_daemon(program.block("given"))
    inside(daemon)
    return daemon


class Ends:
    """When the tokens of a program end: what a service knows that checks them."""

    def __init__(self, program: MintProgram, life: float) -> None:
        program.set(lifetime=life)
        self._program = program
        self._life = life
        self.seen: list[str] = []

    def __call__(self, token: str) -> bool:
        """Return whether a service refuses this token, and write it down."""
        self.seen.append(token)
        minted = (self._program.folder / "mints").read_text().splitlines()
        number = int(token.removeprefix("opaque-"))
        return time.time() > float(minted[number - 1]) + self._life

    @property
    def tokens(self) -> list[str]:
        return list(dict.fromkeys(self.seen))


def for_a_while(send: Callable[[], object]) -> None:
    """Send requests for longer than a token lasts."""
    ends = time.monotonic() + REQUESTS_FOR
    while time.monotonic() < ends:
        send()
        time.sleep(0.05)


async def awaited_for_a_while(send: Callable[[], Any]) -> None:
    ends = time.monotonic() + REQUESTS_FOR
    while time.monotonic() < ends:
        await send()
        await asyncio.sleep(0.05)


class Checking(Handler):
    """Answers 200 to a token that has not ended, else 401."""

    refuse: Callable[[str], bool] = staticmethod(lambda _token: False)

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        self.reply(401 if self.refuse(token) else 200, b"{}", {"Content-Type": "application/json"})

    def do_POST(self) -> None:
        self.body()
        self.do_GET()


@contextmanager
def checking(refuse: Callable[[str], bool]) -> Iterator[str]:
    """Run a service that checks tokens; gives its URL."""
    kind = type("Checking", (Checking,), {"refuse": staticmethod(refuse)})
    with HttpServer(kind) as server:
        yield server.url


# --- across a rotation ------------------------------------------------------------------------


def test_anthropic_across_a_rotation(started: RunningDaemon, program: MintProgram) -> None:
    """The SDK keeps a token near its end no longer than it lasts; without a 401 in between."""
    ends = Ends(program, LIFE)
    with (
        MessagesApi(refuse=ends) as api,
        anthropic.Anthropic(
            base_url=api.url, credentials=credward.credentials("given"), max_retries=0
        ) as client,
    ):
        for_a_while(lambda: client.messages.create(**ASKED))

    assert {each.status for each in api.seen} == {200}
    assert len(ends.tokens) >= 3


async def test_async_anthropic_across_a_rotation(
    started: RunningDaemon, program: MintProgram
) -> None:
    """It runs the same callable in a thread."""
    ends = Ends(program, LIFE)
    with MessagesApi(refuse=ends) as api:
        async with anthropic.AsyncAnthropic(
            base_url=api.url, credentials=credward.credentials("given"), max_retries=0
        ) as client:
            await awaited_for_a_while(lambda: client.messages.create(**ASKED))

    assert {each.status for each in api.seen} == {200}
    assert len(ends.tokens) >= 3


def test_foundry_across_a_rotation(started: RunningDaemon, program: MintProgram) -> None:
    """It calls for each request."""
    ends = Ends(program, LIFE)
    with (
        MessagesApi(refuse=ends) as api,
        anthropic.AnthropicFoundry(
            base_url=api.url,
            azure_ad_token_provider=credward.token_provider("given"),
            max_retries=0,
        ) as client,
    ):
        for_a_while(lambda: client.messages.create(**ASKED))

    assert {each.status for each in api.seen} == {200}
    assert len(ends.tokens) >= 3


async def test_async_foundry_across_a_rotation(
    started: RunningDaemon, program: MintProgram
) -> None:
    """It awaits what it called."""
    ends = Ends(program, LIFE)
    with MessagesApi(refuse=ends) as api:
        async with anthropic.AsyncAnthropicFoundry(
            base_url=api.url,
            azure_ad_token_provider=credward.async_token_provider("given"),
            max_retries=0,
        ) as client:
            await awaited_for_a_while(lambda: client.messages.create(**ASKED))

    assert {each.status for each in api.seen} == {200}
    assert len(ends.tokens) >= 3


def test_vertex_across_a_rotation(started: RunningDaemon, program: MintProgram) -> None:
    """By credentials of google-auth."""
    ends = Ends(program, LIFE)
    with (
        checking(ends) as url,
        anthropic.AnthropicVertex(
            region="global",
            project_id="project",
            base_url=url,
            credentials=credward.google_credentials("given"),
            max_retries=0,
        ) as client,
    ):
        for_a_while(lambda: client.messages.create(**ASKED))

    assert len(ends.tokens) >= 3


async def test_async_vertex_across_a_rotation(started: RunningDaemon, program: MintProgram) -> None:
    """By the same."""
    ends = Ends(program, LIFE)
    with checking(ends) as url:
        async with anthropic.AsyncAnthropicVertex(
            region="global",
            project_id="project",
            base_url=url,
            credentials=credward.google_credentials("given"),
            max_retries=0,
        ) as client:
            await awaited_for_a_while(lambda: client.messages.create(**ASKED))

    assert len(ends.tokens) >= 3


def test_google_auth_across_a_rotation(started: RunningDaemon, program: MintProgram) -> None:
    """By its own session, as Google's libraries use it."""
    ends = Ends(program, LIFE)
    statuses = set()
    with (
        checking(ends) as url,
        AuthorizedSession(credward.google_credentials("given"), max_refresh_attempts=0) as session,
    ):
        for_a_while(lambda: statuses.add(session.get(url).status_code))

    assert statuses == {200}
    assert len(ends.tokens) >= 3


class Sent(google.auth.aio.transport.Response):
    def __init__(self, status: int) -> None:
        self._status = status

    @property
    def status_code(self) -> int:
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        return {}

    async def content(self, chunk_size: int = 1024) -> Any:
        yield b""

    async def read(self) -> bytes:
        return b""

    async def close(self) -> None:
        pass


class Sending(google.auth.aio.transport.Request):
    """The smallest transport: aiohttp is not everywhere."""

    async def __call__(
        self, url: str, method: str, body: Any, headers: Any, timeout: float, **_: Any
    ) -> Sent:
        return Sent(await asyncio.to_thread(self._send, url, headers))

    def _send(self, url: str, headers: Mapping[str, str]) -> int:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code

    async def close(self) -> None:
        pass


async def test_google_auth_aio_across_a_rotation(
    started: RunningDaemon, program: MintProgram
) -> None:
    """Its session takes the credentials of the other, and renews them in a thread."""
    ends = Ends(program, LIFE)
    statuses = set()
    with checking(ends) as url:
        session = AsyncAuthorizedSession(credward.google_credentials("given"), Sending())

        async def send() -> None:
            statuses.add((await session.get(url)).status_code)

        await awaited_for_a_while(send)
        await session.close()

    assert statuses == {200}
    assert len(ends.tokens) >= 3


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    with serving_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


def test_boto3_across_a_rotation(
    start_daemon: DaemonFactory, inside: Callable[[RunningDaemon], None], moto: Moto
) -> None:
    """Against a server that checks signatures: the shortest session of STS is always in botocore's window."""
    daemon = start_daemon(
        f"""
        [credentials.given]
        provider = "aws"
        source = {{ env = "KEYS" }}
        role_arn = "{moto.role("first")}"
        region = "{REGION}"
        duration_seconds = 900
        """,
        environment={"KEYS": moto.keys(), "AWS_ENDPOINT_URL": moto.url},
    )
    inside(daemon)
    session = credward.aws_session("given", region=REGION)
    client = session.client("sts", endpoint_url=moto.url)
    keys = session.get_credentials()
    assert keys is not None
    used = []
    for _ in range(3):
        arn = client.get_caller_identity()["Arn"]
        assert arn.startswith("arn:aws:sts::123456789012:assumed-role/first/"), arn
        used.append(keys.get_frozen_credentials().access_key)
        assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200

    assert len(set(used)) == 3


def test_bedrock_across_a_rotation(
    start_daemon: DaemonFactory,
    program: MintProgram,
    inside: Callable[[RunningDaemon], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes nothing that is called, but looks where boto3 looks: at the container endpoint."""
    program.set(aws="yes", lifetime=600)
    daemon = start_daemon(program.block("given", kind='"aws"') + block("aws-container", "given"))
    inside(daemon)
    endpoint = endpoints(daemon)["aws-container"]
    monkeypatch.setenv(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{endpoint['port']}/"
    )
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", endpoint["token_file"])
    with (
        ModelService() as service,
        anthropic.AnthropicBedrock(
            aws_region=REGION, base_url=service.url, max_retries=0
        ) as client,
    ):
        for number in (1, 2, 3):
            service.keys = AwsKeys(
                access_key_id=f"AKIA{number}", secret_access_key=f"opaque-{number}", region=REGION
            )
            client.messages.create(**ASKED)
            assert daemon.request("POST", "/v1/credentials/given/refresh").status == 200

    assert [each.fault for each in service.received] == ["", "", ""]


# --- the documents ----------------------------------------------------------------------------

EXAMPLES = re.findall(
    r"^```python\n(.*?)^```$",
    (Path(__file__).parents[2] / "docs/reference/python.md").read_text(),
    re.MULTILINE | re.DOTALL,
)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_in_the_documents_runs(
    start_daemon: DaemonFactory,
    program: MintProgram,
    inside: Callable[[RunningDaemon], None],
    moto: Moto,
    monkeypatch: pytest.MonkeyPatch,
    example: str,
) -> None:
    """As it is written; variables that the SDKs know lead it to loopback."""
    names = ("claude", "foundry", "vertex")
    daemon = start_daemon(
        "".join(program.block(name) for name in names)
        + f"""
        [credentials.bedrock]
        provider = "aws"
        source = {{ env = "KEYS" }}
        role_arn = "{moto.role("first")}"
        region = "{REGION}"
        """,
        environment={"KEYS": moto.keys(), "AWS_ENDPOINT_URL": moto.url},
    )
    inside(daemon)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto.url)
    asked: list[str] = []
    with MessagesApi(refuse=asked.append) as api, checking(asked.append) as vertex:  # type: ignore[arg-type]
        monkeypatch.setenv("ANTHROPIC_BASE_URL", api.url)
        monkeypatch.setenv("ANTHROPIC_FOUNDRY_BASE_URL", api.url)
        monkeypatch.setenv("ANTHROPIC_VERTEX_BASE_URL", vertex)
        names_of_it: dict[str, Any] = {}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(example, "python.md", "exec"), names_of_it)
        if "client" in names_of_it:
            names_of_it["client"].close()

    assert asked == ["opaque-1"] or ":assumed-role/first/" in printed.getvalue()


def test_every_function_has_an_example() -> None:
    """And no example is of another language."""
    shown = "".join(EXAMPLES)

    assert [each for each in credward.__all__ if f"credward.{each}(" not in shown] == [
        "__version__"
    ]


# --- a refused token --------------------------------------------------------------------------


def test_a_token_that_the_api_refused_is_replaced_at_once(
    started: RunningDaemon, program: MintProgram
) -> None:
    """The SDK says so, and sends the request again with another one."""
    refused: list[str] = []
    with (
        MessagesApi(refuse=lambda token: token in refused) as api,
        anthropic.Anthropic(base_url=api.url, credentials=credward.credentials("given")) as client,
    ):
        client.messages.create(**ASKED)
        refused.append("opaque-1")
        for _ in range(3):
            client.messages.create(**ASKED)

    assert [(each.status, each.token) for each in api.seen] == [
        (200, "opaque-1"),
        (401, "opaque-1"),
        *[(200, "opaque-2")] * 3,
    ]
    assert program.mints == 2


def test_many_asks_after_a_refused_token_mint_twice_at_most(
    started: RunningDaemon, program: MintProgram
) -> None:
    """Also if the service refuses all: then the line says what to do, and the SDK gives up."""
    with (
        MessagesApi(refuse=lambda _token: True) as api,
        anthropic.Anthropic(
            base_url=api.url, credentials=credward.credentials("given"), max_retries=1
        ) as client,
    ):
        lines = []
        for _ in range(13):
            with pytest.raises(anthropic.AnthropicError) as caught:
                client.messages.create(**ASKED)
            lines.append(str(caught.value))

    assert program.mints == 2
    assert "run credward get --fresh given" in lines[-1]


# --- where it goes ----------------------------------------------------------------------------


def test_a_client_for_another_host_gets_no_token(
    start_daemon: DaemonFactory, program: MintProgram, inside: Callable[[RunningDaemon], None]
) -> None:
    """Each client of the SDK says where it sends it, so the same credentials serve only the right one."""
    with MessagesApi() as right, MessagesApi() as wrong:
        daemon = start_daemon(program.block("given", base_url=f'"{right.url}"'))
        inside(daemon)
        credentials = credward.credentials("given")
        with anthropic.Anthropic(base_url=wrong.url, credentials=credentials) as client:
            with pytest.raises(anthropic.CredentialsError, match=r"is for .* only") as caught:
                client.messages.create(**ASKED)
        with anthropic.Anthropic(base_url=right.url, credentials=credentials) as client:
            client.messages.create(**ASKED)

        assert isinstance(caught.value.__cause__, BrokerError)
        assert caught.value.__cause__.kind is Kind.DENIED
        assert (len(right.seen), len(wrong.seen)) == (1, 0)
        # The helper asks the same, and gets the same.
        with pytest.raises(BrokerError, match=r"is for .* only"):
            credward.token_provider("given")()
        assert credward.token_provider("given", base_url=right.url)() == "opaque-1"


def test_a_folder_that_redirects_gets_no_token(
    start_daemon: DaemonFactory,
    program: MintProgram,
    inside: Callable[[RunningDaemon], None],
    tmp_path: Path,
) -> None:
    """As for the helper, whatever the program itself would do."""
    daemon = start_daemon(program.block("given", base_url='"https://llm.example.com"'))
    inside(daemon)
    provider = credward.token_provider("given", base_url="https://llm.example.com")
    assert provider() == "opaque-1"
    (tmp_path / ".git").mkdir()
    (tmp_path / ".claude").mkdir()
    settings = {"env": {"ANTHROPIC_BASE_URL": "https://evil.example"}}
    (tmp_path / ".claude/settings.json").write_text(json.dumps(settings))
    with pytest.raises(BrokerError, match=r"settings\.json") as caught:
        provider()

    assert caught.value.kind is Kind.DENIED


# --- threads, forks, errors -------------------------------------------------------------------


def test_many_threads_ask_at_once(started: RunningDaemon, program: MintProgram) -> None:
    """One mint for all."""
    provider = credward.token_provider("given")
    start = threading.Barrier(16)

    def ask() -> str:
        start.wait()
        return provider()

    with ThreadPoolExecutor(16) as threads:
        found = {each.result() for each in [threads.submit(ask) for _ in range(16)]}

    assert found == {"opaque-1"}
    assert program.mints == 1


def test_a_fork_asks_for_itself(started: RunningDaemon) -> None:
    """Nothing that was opened or locked before is used after it."""
    made = (
        credward.token_provider("given"),
        credward.google_credentials("given"),
        credward.credentials("given"),
    )
    provider, google_credentials, credentials = made
    before = provider()
    ours, its = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            google_credentials.refresh(None)
            found = f"{provider()} {google_credentials.token} {credentials().token}"
            os.write(its, found.encode())
        finally:
            os._exit(0)
    os.close(its)
    with os.fdopen(ours) as answer:
        assert answer.read() == " ".join([before] * 3)
    os.waitpid(child, 0)


def test_an_error_reaches_the_user_of_each_sdk(started: RunningDaemon) -> None:
    """Our line, in an exception that the SDK knows."""
    line = 'no daemon answers|"nobody" is not configured'
    with pytest.raises(BrokerError, match=line):
        credward.token_provider("nobody")()
    with pytest.raises(RefreshError, match=line):
        credward.google_credentials("nobody").refresh(None)
    with pytest.raises(CredentialRetrievalError, match=line):
        credward.aws_session("nobody", region=REGION).client("sts").get_caller_identity()
    with (
        MessagesApi() as api,
        anthropic.Anthropic(base_url=api.url, credentials=credward.credentials("nobody")) as client,
        pytest.raises(anthropic.CredentialsError, match=line),
    ):
        client.messages.create(**ASKED)


def test_a_program_asks_the_endpoint_that_is_named(
    start_daemon: DaemonFactory,
    program: MintProgram,
    inside: Callable[[RunningDaemon], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In a container that has no socket, as the helper does there."""
    daemon = start_daemon(program.block("given") + block("http", "given"))
    inside(daemon)
    endpoint = endpoints(daemon)["http"]
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    monkeypatch.setenv("CREDWARD_URL", f"http://127.0.0.1:{endpoint['port']}")
    monkeypatch.setenv("CREDWARD_TOKEN_FILE", endpoint["token_file"])

    assert credward.token_provider("given")() == "opaque-1"


def test_a_program_starts_the_daemon_by_the_helpers_rules(
    started: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not from a session, and not if a variable forbids it."""
    started.stop()
    with pytest.raises(BrokerError, match="CREDWARD_NO_START forbids to start it"):
        credward.token_provider("given")()
    monkeypatch.delenv("CREDWARD_NO_START")
    monkeypatch.setenv("CREDWARD_SOCKET", str(started.socket))
    with pytest.raises(BrokerError, match="which CREDWARD_SOCKET names"):
        credward.token_provider("given")()
