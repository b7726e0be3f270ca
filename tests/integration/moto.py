"""A real moto server that checks signatures and permissions, with a user and roles in it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import botocore.session
from botocore.config import Config

from fakes.ports import kept_port

ACCOUNT = "123456789012"
REGION = "eu-central-1"
# What the role `second` wants to hear; `first` is open to the user alone.
EXTERNAL_ID = "ours"
# Calls that need no signature: as many as `_populate` makes.
_FREE = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Moto:
    url: str
    access_key_id: str
    secret_access_key: str
    # Keys of a user who may do nothing.
    stranger: tuple[str, str]

    def role(self, name: str) -> str:
        return f"arn:aws:iam::{ACCOUNT}:role/{name}"

    def allow_unsigned(self) -> None:
        """Let one call through that has no signature, which moto takes for an error."""
        asked = urllib.request.Request(
            f"{self.url}/moto-api/reset-auth",
            data=b"1",
            headers={"Content-Type": "text/plain"},
            method="POST",
        )
        urllib.request.urlopen(asked).close()

    def keys(self, **changes: str) -> str:
        """Return the user's keys as a program prints them."""
        return json.dumps(
            {
                "Version": 1,
                "AccessKeyId": self.access_key_id,
                "SecretAccessKey": self.secret_access_key,
                **changes,
            }
        )

    def caller(self, secret: str) -> str:
        """Return who the keys in the text *secret* are, asked by an SDK of its own."""
        keys = json.loads(secret)
        client = _client(
            "sts",
            self.url,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )
        return str(client.get_caller_identity()["Arn"])


@contextmanager
def serving_moto(folder: Path) -> Iterator[Moto]:
    """Run a server until the end of the block."""
    with kept_port() as port, (folder / "moto.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env={
                "PATH": os.environ["PATH"],
                "INITIAL_NO_AUTH_ACTION_COUNT": str(_FREE),
                "LANG": "C.UTF-8",
            },
            cwd=folder,
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(port, server)
            yield _populate(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(60)


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + 90
    while time.monotonic() < ends:
        assert server.poll() is None, "moto ended"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("moto does not listen")


def _populate(url: str) -> Moto:
    iam = _client("iam", url, aws_access_key_id="x", aws_secret_access_key="x")
    iam.create_user(UserName="agent")
    key = iam.create_access_key(UserName="agent")["AccessKey"]
    iam.put_user_policy(
        UserName="agent",
        PolicyName="assume",
        PolicyDocument=_policy(["sts:AssumeRole", "sts:GetSessionToken", "sts:GetCallerIdentity"]),
    )
    iam.create_user(UserName="stranger")
    stranger = iam.create_access_key(UserName="stranger")["AccessKey"]
    trust = {
        "first": {"Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/agent"}},
        "second": {
            "Principal": {"AWS": "*"},
            "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
        },
    }
    for role, statement in trust.items():
        iam.create_role(
            RoleName=role,
            AssumeRolePolicyDocument=json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", **statement}],
                }
            ),
        )
        iam.put_role_policy(
            RoleName=role,
            PolicyName="onward",
            PolicyDocument=_policy(["sts:*", "ecr:GetAuthorizationToken"]),
        )
    return Moto(
        url=url,
        access_key_id=key["AccessKeyId"],
        secret_access_key=key["SecretAccessKey"],
        stranger=(stranger["AccessKeyId"], stranger["SecretAccessKey"]),
    )


def _policy(actions: list[str]) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}],
        }
    )


def _client(service: str, url: str, **keys: str):
    return botocore.session.Session().create_client(
        service,
        region_name=REGION,
        endpoint_url=url,
        config=Config(retries={"total_max_attempts": 1}),
        **keys,
    )
