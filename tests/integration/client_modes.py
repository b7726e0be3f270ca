"""The ways to lead a real client to a credential: by a door or the helper, and by variables alone.

For each a daemon of its own, whose tokens are numbered, and the word whether a service takes one.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from credward.cli.endpoint_variables import variables_of
from fakes.google_server import POOL, Google, service_account
from fakes.sigv4 import AwsKeys
from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import block, endpoints, keys, secret_of
from integration.minting import MintProgram
from transcripts.programs import native_helper

__all__ = [
    "APP_SERVICE",
    "AZURE_IMDS",
    "EXECUTABLE",
    "HTTP_CALL",
    "HTTP_KEY",
    "IDENTITY",
    "IMDS",
    "IMDS_ANEW",
    "METADATA",
    "PROCESS",
    "REGION",
    "ROLE",
    "TOKEN",
    "TOKEN_FILE",
    "TO_THE_END",
    "Mode",
    "Started",
    "World",
]

REGION = "eu-central-1"
AUDIENCE = "https://app.example.com"
RESOURCE = "https://vault.azure.net"
SERVE = f'[credentials.given.serve]\naudiences = ["{RESOURCE}"]\n'
HELPER = "helper"


@dataclass(frozen=True)
class Started:
    """A daemon for one case: the *variables* that lead a client to it, and what the service takes."""

    daemon: RunningDaemon
    variables: dict[str, str]
    takes: Callable[[str], bool]
    keys: Callable[[str], tuple[AwsKeys, str] | None] = lambda _key: None

    def rotate(self) -> None:
        """Have a new one minted."""
        path = "/v1/credentials/given/refresh?timeout=60"
        assert self.daemon.request("POST", path).status == 200


@dataclass(frozen=True)
class World:
    """What a way to lead a client may use; tokens last for *life*."""

    start: DaemonFactory
    program: MintProgram
    folder: Path
    google: Google
    life: float

    def minted(self, config: str, door: str, **more: str) -> Started:
        """Start a daemon with numbered tokens and a *door*; *more*: variables."""
        self.program.set(lifetime=self.life)
        daemon = self.start(config + (block(door, "given") if door != HELPER else ""))
        return Started(
            daemon,
            leading(daemon, door) | more,
            takes=lambda token: self.lives(token.removeprefix("opaque-")),
            keys=self.keys,
        )

    def keys(self, key: str) -> tuple[AwsKeys, str] | None:
        """Return the keys of an access key id that has not ended, and their session token."""
        number = key.removeprefix("AKIA")
        if not self.lives(number):
            return None
        found = AwsKeys(access_key_id=key, secret_access_key=f"opaque-{number}", region=REGION)
        return found, f"session-{number}"

    def lives(self, number: str) -> bool:
        """Return whether the mint of this number was made, and has not ended."""
        minted = (self.program.folder / "mints").read_text().splitlines()
        return (
            1 <= int(number) <= len(minted)
            and time.time() < float(minted[int(number) - 1]) + self.life
        )


def leading(daemon: RunningDaemon, door: str) -> dict[str, str]:
    """Return the variables of an endpoint, as set-up writes them."""
    if door == HELPER:
        return {}
    found = endpoints(daemon)[door]
    token_file = found["token_file"] or ""
    return dict(variables_of(door, found["port"], token_file, lambda: secret_of(daemon, door)))


def by_token_file(world: World) -> Started:
    return world.minted(keys(world.program), "aws-container")


def by_token(world: World) -> Started:
    started = by_token_file(world)
    secret = secret_of(started.daemon, "aws-container")
    del started.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
    started.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = secret
    return started


def by_role(world: World) -> Started:
    """The second role of an endpoint, at `localhost`."""
    config = keys(world.program) + keys(world.program, "other")
    config += block("aws-container", "other", "given")
    started = world.minted(config, HELPER)
    found = leading(started.daemon, "aws-container")
    url = found["AWS_CONTAINER_CREDENTIALS_FULL_URI"].replace("127.0.0.1", "localhost")
    started.variables.update(found | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{url}given"})
    return started


def by_imds(world: World) -> Started:
    return world.minted(keys(world.program), "aws-imds")


def by_process(world: World) -> Started:
    config = world.folder / "aws-config"
    command = shlex.join([str(native_helper("gcc")), "--format", "aws-process", "given"])
    config.write_text(f"[profile work]\nregion = {REGION}\ncredential_process = {command}\n")
    profile = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "work"}
    return world.minted(keys(world.program), HELPER, **profile)


def by_metadata(world: World) -> Started:
    # Otherwise this is set where tests of other programs look for no metadata server.
    started = world.minted(world.program.block("given"), "gce", NO_GCE_CHECK="false")
    # As gcloud calls it.
    started.variables["GCE_METADATA_ROOT"] = started.variables["GCE_METADATA_HOST"]
    return started


def by_identity(world: World) -> Started:
    """A service account, whose identity tokens Google signs."""
    file = world.folder / "account.json"
    token_uri = f"http://127.0.0.1:{world.google.port}/oauth2.googleapis.com/token"
    file.write_text(json.dumps(service_account(token_uri=token_uri)))
    file.chmod(0o600)
    world.google.lifetime = int(world.life)
    daemon = world.start(
        f'[credentials.given]\nprovider = "gcp"\ncredentials_file = "{file}"\n'
        f'token = "id"\naudience = "{AUDIENCE}"\n' + block("gce", "given")
    )
    return newest_only(daemon, leading(daemon, "gce"))


def by_pool(world: World) -> Started:
    """A workload identity pool that trusts our keys, and takes the newest assertion only."""
    daemon = world.start('[credentials.given]\nprovider = "local"\naudience = "pool"\n')
    world.google.takes = lambda token: token == daemon.get("given").text
    world.google.lifetime = int(world.life)
    helper = shlex.join([str(native_helper("gcc")), "--format", "gcp-executable", "given"])
    file = world.folder / "pool.json"
    source = {"executable": {"command": helper, "timeout_millis": 20000}}
    record = {
        "type": "external_account",
        "audience": POOL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"http://127.0.0.1:{world.google.port}/sts.googleapis.com/v1/token",
        "credential_source": source,
    }
    file.write_text(json.dumps(record))
    variables = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(file),
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
        # Or some ask Google which one it is.
        "GOOGLE_CLOUD_PROJECT": "project",
    }
    return Started(daemon, variables, world.google.bearers.__contains__)


def newest_only(daemon: RunningDaemon, variables: dict[str, str]) -> Started:
    """Return a service that takes what the daemon has now, and nothing else."""
    return Started(daemon, variables, lambda token: token == daemon.get("given").text)


def by_app_service(world: World) -> Started:
    config = world.program.block("given") + SERVE
    return world.minted(config, "azure-app-service")


def by_azure_imds(world: World) -> Started:
    config = world.program.block("given") + SERVE
    return world.minted(config, "azure-imds")


def by_http(world: World) -> Started:
    return world.minted(world.program.block("given"), "http")


# How long tokens last, and how long the client waits before the next use (seconds). With so little left
# nearly every client asks at each use, or in the background.
USUAL = (200.0, 0.0)
# For clients that keep what they have to its end, and tokens that nothing but their end replaces.
TO_THE_END = (6.0, 6.5)


@dataclass(frozen=True)
class Mode:
    """A way to lead a client: *door* and *text* as the table has them, *lasts* as above."""

    door: str
    text: str
    start: Callable[[World], Started]
    lasts: tuple[float, float] = USUAL


TOKEN_FILE = Mode("aws-container", "token file", by_token_file)
TOKEN = Mode("aws-container", "token in a variable", by_token)
ROLE = Mode("aws-container", "second role by its path, at localhost", by_role)
IMDS = Mode("aws-imds", "IMDSv2", by_imds)
IMDS_ANEW = Mode("aws-imds", "IMDSv2, a process for each use", by_imds)
PROCESS = Mode("helper", "credential_process", by_process)
METADATA = Mode("gce", "access token", by_metadata)
IDENTITY = Mode("gce", "identity token", by_identity)
EXECUTABLE = Mode("helper", "external account, executable", by_pool)
APP_SERVICE = Mode("azure-app-service", "managed identity", by_app_service, TO_THE_END)
AZURE_IMDS = Mode("azure-imds", "managed identity", by_azure_imds, TO_THE_END)
HTTP_KEY = Mode("http", "api-key header, a client for each key", by_http)
HTTP_CALL = Mode("http", "a function, asked for each request", by_http)
