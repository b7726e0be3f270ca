"""Ways by which boto3 gets keys of a role: ours, the cache of its own, and aws-vault's.

Upstream is a stand-in for STS and the portal of IAM Identity Center, on loopback, which counts its
calls. What is measured against what is `run`.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Self

from processes import HERE, ROOT, Daemon

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "broker")]

import trustme  # noqa: E402

from fakes.aws_sso import START_URL, AwsSso, make_handler  # noqa: E402
from fakes.http_server import HttpServer  # noqa: E402
from fakes.tunnel import tunnel  # noqa: E402
from integration.client_tools import MissingError, aws_vault  # noqa: E402

REGION = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/agent"
_STS = (f"sts.{REGION}.amazonaws.com", "sts.amazonaws.com")
_KEYS = {"AccessKeyId": "AKIAEXAMPLE", "SecretAccessKey": "secret"}
_VARIABLES = {"AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true", "AWS_PROFILE": "work"}


class Way:
    """One process with boto3, whose variables lead it one way; *upstream* counts its calls."""

    def __init__(self, environment: Mapping[str, str], upstream: AwsSso) -> None:
        self._upstream = upstream
        self.times: list[float] = []
        self.calls = 0
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "aws_session.py")],
            env={"PATH": os.environ["PATH"], **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._line()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def use(self, *, counted: bool = True) -> None:
        """Make a session get its keys."""
        before = len(self._upstream.calls)
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        took = float(self._line())
        if counted:
            self.times.append(took)
            self.calls += len(self._upstream.calls) - before

    def _line(self) -> str:
        assert self._process.stdout is not None
        if not (line := self._process.stdout.readline()):
            raise RuntimeError("boto3 ended")
        return line


@contextlib.contextmanager
def ours(folder: Path, helper: str | None) -> Iterator[dict[str, Way]]:
    """Yield the ways by a daemon that assumes a role; with the helper only if there is one."""
    with upstream() as sso:
        sso.owners[_KEYS["AccessKeyId"]] = "user"
        folder.mkdir()
        config = (
            f'[credentials.work]\nprovider = "aws"\nregion = "{REGION}"\nrole_arn = "{ROLE}"\n'
            'source = { env = "KEYS" }\n[[endpoints]]\ndoor = "aws-container"\n'
            'credential = "work"\n'
        )
        with contextlib.ExitStack() as running:
            keys = json.dumps({"Version": 1, **_KEYS})
            daemon = Daemon(folder / "daemon", config)
            daemon.environment.update(KEYS=keys, AWS_ENDPOINT_URL_STS=sso.url)
            running.enter_context(daemon)
            found = {"container endpoint": container(daemon)}
            if helper:
                command = shlex.join([helper, "--format", "aws-process", "work"])
                profile = written(folder / "config", f"credential_process = {command}")
                found["credential_process, credward-helper"] = {**daemon.environment, **profile}
            yield {name: running.enter_context(Way(each, sso)) for name, each in found.items()}


def container(daemon: Daemon) -> dict[str, str]:
    """Return the variables of the endpoint, which opens just after the socket."""
    asked = b"GET /v1/endpoints HTTP/1.1\r\nHost: credward\r\nConnection: close\r\n\r\n"
    deadline = time.monotonic() + 10
    while True:
        listed = json.loads(daemon.ask(asked).partition(b"\r\n\r\n")[2])["endpoints"]
        if (listed and listed[0]["port"]) or time.monotonic() > deadline:
            break
        time.sleep(0.01)
    return {
        "AWS_REGION": REGION,
        "HOME": daemon.environment["HOME"],
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{listed[0]['port']}/",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": listed[0]["token_file"],
    }


@contextlib.contextmanager
def sso_cache(folder: Path) -> Iterator[Way]:
    """Yield the way of botocore alone: a profile with an sso-session whose login is cached."""
    with upstream() as sso:
        sso.access_tokens["access-token"] = time.time() + 3600
        cache = folder / ".aws/sso/cache"
        cache.mkdir(parents=True)
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        token = {
            "accessToken": "access-token",
            "expiresAt": ends,
            "startUrl": START_URL,
            "region": REGION,
        }
        (cache / f"{hashlib.sha1(b'session').hexdigest()}.json").write_text(json.dumps(token))
        account, role = sso.assigned
        profile = written(
            folder / "config",
            f"sso_session = session\nsso_account_id = {account}\nsso_role_name = {role}\n"
            f"[sso-session session]\nsso_start_url = {START_URL}\nsso_region = {REGION}\n",
        )
        with Way({"HOME": str(folder), "AWS_ENDPOINT_URL_SSO": sso.url, **profile}, sso) as way:
            yield way


@contextlib.contextmanager
def vault(folder: Path) -> Iterator[Way]:
    """Yield aws-vault's way: `export` as credential_process, sessions cached in its file backend.

    Raises `MissingError`. It knows no other address of STS than the real one, hence the proxy.
    """
    program = str(aws_vault())
    folder.mkdir()
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    with upstream() as sso, tunnel(make_handler(sso), _STS, ca) as proxy:
        sso.owners[_KEYS["AccessKeyId"]] = "user"
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "AWS_VAULT_BACKEND": "file",
            "AWS_VAULT_FILE_PASSPHRASE": "passphrase",
            "HTTPS_PROXY": proxy,
            "SSL_CERT_FILE": str(folder / "ca.pem"),
        }
        profile = written(folder / "vault-config", "")
        keys = {
            "AWS_ACCESS_KEY_ID": _KEYS["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": _KEYS["SecretAccessKey"],
        }
        subprocess.run(
            [program, "add", "work", "--env"], env={**environment, **profile, **keys},
            check=True, capture_output=True, timeout=60,
        )  # fmt: skip
        config = f"AWS_CONFIG_FILE={folder / 'vault-config'}"
        command = shlex.join(["env", config, program, "export", "--format=json", "work"])
        asking = written(folder / "config", f"credential_process = {command}")
        with Way({**environment, **asking}, sso) as way:
            yield way


@contextlib.contextmanager
def upstream() -> Iterator[AwsSso]:
    """Run one stand-in for Amazon."""
    sso = AwsSso()
    with HttpServer(make_handler(sso)) as server:
        sso.url = server.url
        yield sso


def written(path: Path, profile: str) -> dict[str, str]:
    """Write a profile of the AWS configuration; return the variables that lead to it."""
    path.write_text(f"[profile work]\nregion = {REGION}\n{profile}\n")
    return {**_VARIABLES, "AWS_CONFIG_FILE": str(path)}


__all__ = ["MissingError", "Way", "ours", "sso_cache", "vault"]
