"""Claude Code's five modes on loopback: a daemon with a credential for each, and the services behind them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import jwt

from fakes.anthropic_oauth import ISSUER, ORGANIZATION, RULE, AnthropicServer
from fakes.bedrock import Bedrock
from fakes.google_server import Google, serving
from fakes.messages_api import MessagesApi
from fakes.ports import kept_port
from integration import endpoints, sinks
from integration.claude_code import QUIET, ClaudeCode, find_claude
from integration.command_line import cli
from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from transcripts.programs import native_helper
from waiting import until

__all__ = ["LONG", "MODES", "SHORT", "Mode", "World", "open_world"]

REGION = "us-east-1"
# So long does a token last whose client asks again within seconds: those of Google and Azure in the last
# five minutes, that of AWS in Claude Code in the last half of one, a profile's in the last two. What a
# helper gives is kept for the time that set-up is told.
SHORT = {"gateway": 3600, "bedrock": 33, "vertex": 303, "foundry": 303, "claude": 122}
LONG = dict.fromkeys(SHORT, 3600)
# The one that Claude Code wants for Foundry; its tokens by the helper are for the usual one.
_FOUNDRY_AUDIENCE = "https://cognitiveservices.azure.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way from a credential to a service; *options*: of set-up, `{bedrock}` is the stub's URL.

    *tells*: with which status a refusal makes it ask again, and only then.
    """

    mode: str
    door: str
    credential: str
    options: tuple[str, ...] = ()
    tells: frozenset[int] = frozenset()
    audience: str = ""

    @property
    def id(self) -> str:
        return f"{self.mode}-{self.door}".lower().replace(" ", "-")


# What is in `tells` was observed with 2.1.329. After 401 and 403 Claude Code tries on up to ten times in
# four minutes, with the same token if it does not ask again; Vertex AI gets three tries in two seconds. It
# gives up at once after 403 of Vertex AI and Foundry, and with a profile.
MODES = (
    Mode(mode="gateway", door="helper", credential="gateway", tells=frozenset({401, 403})),
    Mode(
        mode="Bedrock",
        door="aws-process",
        credential="bedrock",
        options=("--base-url", "{bedrock}"),
        tells=frozenset({403}),
    ),
    Mode(
        mode="Bedrock",
        door="aws-container",
        credential="bedrock",
        options=("--base-url", "{bedrock}", "--with", "aws-container"),
        tells=frozenset({403}),
    ),
    Mode(
        mode="Bedrock",
        door="helper",
        credential="bedrock-key",
        options=("--base-url", "{bedrock}"),
        tells=frozenset({401}),
    ),
    # It asks before each request, so that what it asks tells nothing.
    Mode(mode="Vertex AI", door="gce", credential="vertex", options=("--base-url", "{api}/v1")),
    Mode(
        mode="Vertex AI",
        door="helper",
        credential="vertex",
        options=("--base-url", "{api}/v1", "--with", "helper"),
        tells=frozenset({401}),
    ),
    Mode(mode="Foundry", door="azure-imds", credential="foundry", audience=_FOUNDRY_AUDIENCE),
    Mode(
        mode="Foundry",
        door="helper",
        credential="foundry",
        options=("--with", "helper"),
        tells=frozenset({401}),
    ),
    # A sink's profile, with tokens of workload identity federation.
    Mode(mode="Claude API", door="file", credential="claude"),
)


@dataclass(slots=True)
class World:
    """What a test needs: the services, the sources, the daemon, and a Claude Code of its user."""

    api: MessagesApi
    bedrock: Bedrock
    google: Google
    federation: AnthropicServer
    programs: dict[str, MintProgram]
    daemon: RunningDaemon
    claude: ClaudeCode

    def service(self, mode: Mode) -> MessagesApi | Bedrock:
        return self.bedrock if mode.mode == "Bedrock" else self.api

    @contextlib.contextmanager
    def set_up(self, mode: Mode, *more: str) -> Iterator[None]:
        """Have `credward setup claude-code` lead Claude Code to it, and take that back at the end."""
        options = [each.format(bedrock=self.bedrock.url, api=self.api.url) for each in mode.options]
        done = cli(
            self.daemon, "setup", "claude-code", mode.credential, "--yes", "--json", *options, *more
        )
        assert done.returncode == 0, done.stdout + done.stderr
        try:
            yield
        finally:
            done = cli(self.daemon, "setup", "claude-code", "--undo", "--yes")
            assert done.returncode == 0, done.stdout + done.stderr

    def lives(self, lives: Mapping[str, float]) -> None:
        """Have tokens last so long from now on, by credential."""
        for name, seconds in lives.items():
            if name in self.programs:
                self.programs[name].set(lifetime=seconds)
        self.google.lifetime = int(lives["vertex"])
        self.federation.lifetime = int(lives["claude"])

    def restart(self) -> None:
        """Have the daemon crash and start again."""
        self.daemon.kill9()
        self.daemon.start()

    def rotate(self, mode: Mode) -> None:
        """Have another token minted now, and written where a file is read."""
        before = self._written(mode)
        query = f"?audience={mode.audience}" if mode.audience else ""
        done = self.daemon.request("POST", f"/v1/credentials/{mode.credential}/refresh{query}")
        assert done.status == 200, done.text
        until(lambda: mode.door != "file" or self._written(mode) != before)

    def _written(self, mode: Mode) -> str:
        file = self.daemon.home / f".config/anthropic/credentials/{mode.credential}.json"
        return file.read_text() if file.exists() else ""

    def mints(self, mode: Mode) -> int:
        """Return how many tokens were minted for its credential since the daemon's start."""
        count: int = self.daemon.status(mode.credential)["mints"]
        return count


@contextlib.contextmanager
def open_world(start: DaemonFactory, folder: Path) -> Iterator[World]:
    """Run it all."""
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(MessagesApi())
        bedrock = stack.enter_context(Bedrock())
        google = stack.enter_context(serving(Google()))
        ports = {
            door: stack.enter_context(kept_port())
            for door in ("aws-container", "gce", "azure-imds")
        }
        federation = AnthropicServer(url=api.url)
        api.exchange = federation.exchange
        programs = {
            name: MintProgram(folder / "sources" / name)
            for name in ("gateway", "bedrock", "foundry")
        }
        programs["bedrock"].set(aws="yes")
        programs["foundry"].set(az="yes")
        daemon = start.prepare("", environment={"NO_PROXY": "*"})
        daemon.write_config(_config(daemon, api, bedrock, google, programs, ports, federation))
        aws = daemon.home / ".aws"
        aws.mkdir()
        (aws / "config").write_text(
            f"[profile company]\ncredential_process = {programs['bedrock'].path}\n"
        )
        tools = daemon.home / "bin"
        tools.mkdir()
        shutil.copy(native_helper("gcc"), tools / "credward-helper")
        daemon.environment["PATH"] = f"{tools}:/usr/bin:/bin"
        world = World(api, bedrock, google, federation, programs, daemon, _claude(daemon, folder))
        world.lives(LONG)
        daemon.start()
        keys = daemon.request("GET", "/v1/credentials/workload/jwks").json()["keys"]
        federation.public_key = jwt.PyJWK(keys[0]).key
        yield world


def _claude(daemon: RunningDaemon, folder: Path) -> ClaudeCode:
    kept = ("HOME", "PATH", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR")
    environ = {**{name: daemon.environment[name] for name in kept}, **QUIET, "LANG": "C.UTF-8"}
    work = folder / "work"
    work.mkdir()
    return ClaudeCode(find_claude(), environ, work)


def _config(
    daemon: RunningDaemon,
    api: MessagesApi,
    bedrock: Bedrock,
    google: Google,
    programs: dict[str, MintProgram],
    ports: dict[str, int],
    federation: AnthropicServer,
) -> str:
    return "\n".join(
        [
            programs["gateway"].block("gateway", base_url=f'"{api.url}"'),
            '[credentials.bedrock]\nprovider = "aws"\nprofile = "company"',
            f'region = "{REGION}"',
            '[credentials.bedrock-key]\nprovider = "aws"\nprofile = "company"',
            f'region = "{REGION}"\nderive = "bedrock-api-key"\nbase_url = "{bedrock.url}"',
            '[credentials.vertex]\nprovider = "gcp"\nsource = "metadata"',
            f'metadata_host = "127.0.0.1:{google.port}"',
            f'project = "my-project"\nregion = "europe-west1"\nbase_url = "{api.url}"',
            f'[credentials.foundry]\nprovider = "entra"\nsource = "{programs["foundry"].path}"',
            f'resource = "my-resource"\nbase_url = "{api.url}/anthropic"',
            f'[credentials.workload]\nprovider = "local"\nissuer = "{ISSUER}"',
            f'[credentials.claude]\nprovider = "anthropic"\nfederation_rule_id = "{RULE}"',
            f'organization_id = "{ORGANIZATION}"\nidentity = "workload"',
            f'token_url = "{federation.token_url}"',
            endpoints.block("aws-container", "bedrock", port=ports["aws-container"]),
            endpoints.block("gce", "vertex", port=ports["gce"]),
            endpoints.block("azure-imds", "foundry", port=ports["azure-imds"]),
            sinks.block("claude", daemon.home / ".config/anthropic", "anthropic-profile"),
        ]
    )
