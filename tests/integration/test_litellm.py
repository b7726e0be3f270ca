"""Claude Code, our helper, and the real LiteLLM proxy: what docs/how-to/litellm.md says."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.bedrock import Bedrock
from fakes.google_server import Google, serving
from fakes.messages_api import MessagesApi
from integration.claude_code import VERSION, install
from integration.client_rows import row
from integration.daemon import DaemonFactory
from integration.litellm_proxy import CUSTOM_AUTH, litellm_proxy, pass_through, version
from integration.minting import MintProgram

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def custom_auth(folder: Path, *, accepted: str, status: int) -> dict[str, str]:
    """Return the settings of a proxy that accepts one token, and answers *status* to others.

    0: it raises a plain exception.
    """
    folder.mkdir()
    (folder / "custom_auth.py").write_text(CUSTOM_AUTH)
    (folder / "accepted").write_text(accepted)
    (folder / "status").write_text(str(status))
    # It starts only with a master key.
    return {"custom_auth": "custom_auth.user_api_key_auth", "master_key": "sk-of-its-owner"}


def asked(folder: Path) -> list[str]:
    """Return the tokens that came, one for each time."""
    tokens = (folder / "asked").read_text().split()
    return [each for each, before in zip(tokens, ["", *tokens], strict=False) if each != before]


def test_a_static_key(start_daemon: DaemonFactory, tmp_path: Path) -> None:
    """The key of the proxy comes from a program, such as a password manager."""
    program = MintProgram(tmp_path / "upstream")
    with (
        MessagesApi() as api,
        litellm_proxy(tmp_path / "proxy", api.url, master_key="opaque-1") as url,
    ):
        daemon = start_daemon(program.block("gateway", base_url=f'"{url}"', lifetime=86400))
        result = install(daemon, "gateway", tmp_path).ask()

        assert result["is_error"] is False, result
        assert {seen.token for seen in api.seen} == {"sk-of-the-proxy"}


VERTEX = ("--pass-through", "vertex", "--project", "project", "--region", "global")


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("/v1/messages", ()),
        ("pass-through to Bedrock", ("--pass-through", "bedrock", "--region", "us-east-1")),
        ("pass-through to Vertex AI", VERTEX),
    ],
    ids=["messages", "bedrock", "vertex"],
)
def test_a_rotation(
    start_daemon: DaemonFactory, tmp_path: Path, what: str, words: tuple[str, ...]
) -> None:
    """The proxy has keys of its own for what is behind it; one conversation shows it two tokens."""
    program, folder = MintProgram(tmp_path / "upstream"), tmp_path / "proxy"
    general = custom_auth(folder, accepted="opaque-1 opaque-2 opaque-3", status=401)
    with (
        MessagesApi() as api,
        Bedrock() as bedrock,
        serving(Google()) as google,
        pass_through(tmp_path, api, bedrock, google) as environment,
        litellm_proxy(folder, api.url, environment, **general) as url,
    ):
        daemon = start_daemon(program.block("gateway", base_url=f'"{url}"', lifetime=86400))
        claude = install(daemon, "gateway", tmp_path, ttl=1, words=words)
        conversation = claude.converse()
        try:
            results = [conversation.turn("begin")]
            before = program.mints
            assert daemon.request("POST", "/v1/credentials/gateway/refresh").status == 200
            while asked(folder)[-1] != f"opaque-{before + 1}":
                results.append(conversation.turn("go on"))
        finally:
            conversation.end()
        service = bedrock if "Bedrock" in what else api

        assert [each["is_error"] for each in results] == [False] * len(results)
        assert asked(folder) == [f"opaque-{before}", f"opaque-{before + 1}"]
        assert {each.status for each in service.seen} == {200}
        assert not any(each.token.startswith("opaque-") for each in service.seen)
    row("Claude Code", f"{VERSION}, LiteLLM {version()}", "helper", f"LiteLLM, {what}", "works")


@pytest.mark.parametrize(("status", "heals"), [(401, True), (0, False), (500, False), (400, False)])
def test_a_token_that_the_proxy_no_longer_accepts(
    start_daemon: DaemonFactory, tmp_path: Path, status: int, heals: bool
) -> None:
    """Only a 401 makes Claude Code ask again; then one new token is minted, and the turn goes on.

    LiteLLM makes a 500 of a plain exception (0).
    """
    program, folder = MintProgram(tmp_path / "upstream"), tmp_path / "proxy"
    words = custom_auth(folder, accepted="opaque-1", status=status)
    with MessagesApi() as api, litellm_proxy(folder, api.url, **words) as url:
        daemon = start_daemon(program.block("gateway", base_url=f'"{url}"'))
        claude = install(daemon, "gateway", tmp_path)
        minted = program.mints
        (folder / "accepted").write_text(f"opaque-{minted + 1}")
        claude.environ["CLAUDE_CODE_MAX_RETRIES"] = "2"
        result = claude.ask()

        assert result["is_error"] is not heals, result
        assert program.mints == minted + heals
        assert asked(folder) == [f"opaque-{minted}", *([f"opaque-{minted + 1}"] if heals else [])]


@pytest.mark.parametrize("header", ["Authorization", "X-Litellm-Key"])
def test_the_header_that_the_proxy_reads(
    start_daemon: DaemonFactory, tmp_path: Path, header: str
) -> None:
    """Claude Code sends a helper's token as Authorization and x-api-key: read under any setting."""
    program, folder = MintProgram(tmp_path / "upstream"), tmp_path / "proxy"
    words = {"master_key": "opaque-1", "litellm_key_header_name": header}
    with MessagesApi() as api, litellm_proxy(folder, api.url, **words) as url:
        daemon = start_daemon(program.block("gateway", base_url=f'"{url}"', lifetime=86400))
        result = install(daemon, "gateway", tmp_path).ask()

        assert result["is_error"] is False, result
        assert api.seen
