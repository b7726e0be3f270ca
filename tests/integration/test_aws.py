"""Provider `aws` against a server that checks signatures and permissions."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time

import pytest

from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.providers.aws.provider import AwsProvider
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import ProviderRequest
from credward.providers.transport import Transport
from credward.settings.aws import Settings
from credward.settings.network import NetworkSettings
from credward.settings.references import Reference
from credward.tokens import Secret
from credward.workers.link import MintRequest
from credward.workers.pool import WorkerPool
from integration.moto import ACCOUNT, EXTERNAL_ID, REGION, Moto, serving_moto


@pytest.fixture(scope="module")
def moto(tmp_path_factory) -> Moto:
    with serving_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


class Recorder(Transport):
    """The transport, which remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__(NetworkSettings())
        self.bodies: list[str] = []

    def send(self, http_request, **options):
        self.bodies.append(http_request.body.decode())
        return super().send(http_request, **options)


@pytest.fixture
def transport():
    made = Recorder()
    yield made
    made.close()


@pytest.fixture
def mint(moto, transport, tmp_path):
    """Return a function that mints once with the given settings."""

    def run(*, source: str | None = None, identity: str | None = None, **settings):
        secrets = {}
        if source is not None:
            settings["source"] = Reference(env="KEYS")
            secrets["source"] = Secret(source)
        if identity is not None:
            settings["web_identity_token"] = Reference(env="IDENTITY")
            secrets["web_identity_token"] = Secret(identity)
        io = WorkerIo(
            Machine(
                clock=SystemClock(),
                now=SystemClock().now(),
                environ={
                    "AWS_ENDPOINT_URL": moto.url,
                    "HOME": str(tmp_path),
                    "PATH": "/usr/bin:/bin",
                },
                transport=lambda: transport,
            ),
            credential="deploy",
        )
        request = ProviderRequest(
            credential="deploy", settings=Settings(region=REGION, **settings), secrets=secrets
        )
        return AwsProvider().mint(request, io)

    return run


def test_assumes_a_role(mint, moto):
    """The keys work, for the role and under the credential's name, and end in an hour."""
    token = mint(source=moto.keys(), role_arn=moto.role("first"))

    assert moto.caller(token.secret.reveal()).endswith("assumed-role/first/credward-deploy")
    assert token.kind == "aws"
    assert token.upstream_id == json.loads(token.secret.reveal())["AccessKeyId"]
    assert 3500 < token.expires_at - time.time() <= 3601


def test_passes_on_what_narrows_the_session(mint, moto, transport):
    """Policy, tags, source identity, duration and name, in the words of STS."""
    token = mint(
        source=moto.keys(),
        role_arn=moto.role("first"),
        session_policy='{"Version": "2012-10-17", "Statement": []}',
        policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
        session_tags={"team": "blue"},
        source_identity="alice",
        role_session_name="agents",
        duration_seconds=900,
    )

    assert token.expires_at - time.time() <= 901
    for part in (
        "Policy=%7B%22Version",
        "PolicyArns.member.1.arn=arn%3Aaws%3Aiam",
        "Tags.member.1.Key=team",
        "SourceIdentity=alice",
        "RoleSessionName=agents",
    ):
        assert part in transport.bodies[0]


def test_assumes_a_chain(mint, moto, transport):
    """Each role with the keys of the one before; what narrows is said to the last."""
    token = mint(
        source=moto.keys(),
        chain=(moto.role("first"),),
        role_arn=moto.role("second"),
        external_id=EXTERNAL_ID,
        source_identity="alice",
    )

    assert "assumed-role/second/" in moto.caller(token.secret.reveal())
    assert ["ExternalId" in body for body in transport.bodies] == [False, True]
    assert ["SourceIdentity" in body for body in transport.bodies] == [True, False]


def test_a_wrong_external_id_is_refused(mint, moto):
    """By the trust policy of the role, at the last step of the chain."""
    with pytest.raises(BrokerError, match=r"role/second\) denies access") as caught:
        mint(
            source=moto.keys(),
            chain=(moto.role("first"),),
            role_arn=moto.role("second"),
            external_id="theirs",
        )

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_a_web_identity_needs_no_keys(mint, moto):
    """The token of another issuer is the proof."""
    moto.allow_unsigned()
    claims = base64.urlsafe_b64encode(b'{"sub": "agent"}').decode().rstrip("=")
    token = mint(identity=f"eyJhbGciOiJub25lIn0.{claims}.x", role_arn=moto.role("first"))

    assert "assumed-role/first/" in moto.caller(token.secret.reveal())


def test_long_term_keys_are_not_handed_out(mint, moto):
    """A session is made of them."""
    moto_file = moto.keys()
    token = mint(source=moto_file)

    keys = json.loads(token.secret.reveal())
    assert keys["SessionToken"]
    assert keys["SecretAccessKey"] != moto.secret_access_key
    assert 3500 < token.expires_at - time.time() <= 3601


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"SecretAccessKey": "wrong"}, "SignatureDoesNotMatch.*secret access key"),
        ({"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}, "does not accept the access keys"),
        ({"SessionToken": "wrong"}, "does not accept the access keys"),
        (None, "AccessDenied.*trust policy"),
    ],
)
def test_t6_what_sts_refuses_is_said_clearly(mint, moto, changes, complaint):
    """Nothing that time would heal, and nothing secret in it."""
    if changes is None:
        changes = dict(zip(("AccessKeyId", "SecretAccessKey"), moto.stranger, strict=True))
    with pytest.raises(BrokerError, match=complaint) as caught:
        mint(source=moto.keys(**changes), role_arn=moto.role("first"))

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert moto.secret_access_key not in caught.value.message


@pytest.mark.slow
def test_profiles_of_the_command_line(mint, moto, tmp_path, monkeypatch):
    """Written out, by program, and by roles through source_profile, from the two files."""
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    program = tmp_path / "keys.sh"
    program.write_text(f"#!/bin/sh\necho '{moto.keys()}'\n")
    program.chmod(0o700)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[base]\naws_access_key_id = {moto.access_key_id}\n"
        f"aws_secret_access_key = {moto.secret_access_key}\n"
    )
    (tmp_path / ".aws" / "config").write_text(
        f"[profile role]\nrole_arn = {moto.role('first')}\nsource_profile = base\n"
        f"region = {REGION}\n"
        f"[profile program]\ncredential_process = {program}\n"
        f"[profile chain]\nrole_arn = {moto.role('second')}\nsource_profile = role\n"
        f"external_id = {EXTERNAL_ID}\nregion = {REGION}\n"
        f"[profile programmed]\nrole_arn = {moto.role('first')}\nsource_profile = program\n"
    )

    for profile, role in (("role", "first"), ("chain", "second"), ("programmed", "first")):
        assert f"role/{role}/" in moto.caller(mint(profile=profile).secret.reveal())
    assert json.loads(mint(profile="base").secret.reveal())["SessionToken"]
    through = mint(source_profile="program", role_arn=moto.role("first"))
    assert "role/first/" in moto.caller(through.secret.reveal())


def test_the_whole_way(moto, start_daemon):
    """A daemon hands out keys that work, a Bedrock key of them, and says what is wrong."""
    role = f'role_arn = "{moto.role("first")}"\nsource = {{ env = "KEYS" }}\n'
    daemon = start_daemon(
        f'[credentials.deploy]\nprovider = "aws"\nregion = "{REGION}"\n{role}'
        f'[credentials.bedrock]\nprovider = "aws"\nregion = "{REGION}"\n{role}'
        'derive = "bedrock-api-key"\n'
        f'[credentials.denied]\nprovider = "aws"\nregion = "{REGION}"\n'
        f'role_arn = "{moto.role("first")}"\nsource = {{ env = "STRANGER" }}\n',
        environment={
            "KEYS": moto.keys(),
            "STRANGER": moto.keys(AccessKeyId=moto.stranger[0], SecretAccessKey=moto.stranger[1]),
            "AWS_ENDPOINT_URL_STS": moto.url,
        },
    )
    keys = daemon.get("deploy", "json", timeout=60).json()
    bedrock = daemon.get(
        "bedrock",
        timeout=60,
        client_base_url=f"https://bedrock-runtime.{REGION}.amazonaws.com",
    ).text
    denied = daemon.get("denied", timeout=60)

    assert moto.caller(keys["token"]).endswith("assumed-role/first/credward-deploy")
    assert 3500 < keys["expires_at"] - time.time() <= 3601
    assert bedrock.startswith("bedrock-api-key-")
    assert "AccessDenied" in denied.text
    assert denied.kind == "fix-configuration"


@pytest.mark.slow
def test_the_proof_may_be_another_credential(moto, start_daemon):
    """A web identity that is minted for this, and keys that are another credential's."""
    daemon = start_daemon(
        '[credentials.idp]\nprovider = "local"\naudience = "sts.amazonaws.com"\n'
        f'[credentials.first]\nprovider = "aws"\nregion = "{REGION}"\n'
        f'role_arn = "{moto.role("first")}"\nweb_identity_token = {{ credential = "idp" }}\n'
        f'[credentials.second]\nprovider = "aws"\nregion = "{REGION}"\n'
        f'role_arn = "{moto.role("second")}"\nexternal_id = "{EXTERNAL_ID}"\n'
        'source = { credential = "first" }\n',
        environment={"AWS_ENDPOINT_URL_STS": moto.url},
    )
    moto.allow_unsigned()
    answer = daemon.get("second", "json", timeout=60)

    assert answer.status == 200, answer.text
    assert "assumed-role/second/" in moto.caller(answer.json()["token"])


@pytest.mark.slow
def test_a_code_is_asked_for_once(moto, start_daemon):
    """The login with MFA starts the session; moto has it made, but knows its keys no more."""
    daemon = start_daemon(
        f'[credentials.deploy]\nprovider = "aws"\nregion = "{REGION}"\n'
        'source = { env = "KEYS" }\n'
        f'mfa_serial = "arn:aws:iam::{ACCOUNT}:mfa/me"\n',
        environment={"KEYS": moto.keys(), "AWS_ENDPOINT_URL_STS": moto.url},
    )
    before = daemon.get("deploy", "json", timeout=60)
    login = subprocess.run(
        [sys.executable, "-m", "credward", "login", "deploy"],
        env=daemon.environment,
        cwd=daemon.home,
        input="123456\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    answer = daemon.get("deploy", "json", timeout=60)

    assert before.kind == "login-required"
    assert (login.returncode, "MFA code of" in login.stderr) == (0, True), login.stderr
    assert answer.status == 200, answer.text
    assert json.loads(answer.json()["token"])["SessionToken"]
    assert 43_000 < answer.json()["expires_at"] - time.time() <= 43_201


async def test_mints_in_a_worker(moto):
    """In the process and the environment that it has in real life."""
    pool = WorkerPool(clock=SystemClock(), environ={"AWS_ENDPOINT_URL_STS": moto.url})
    try:
        minted = await pool.mint(
            "aws",
            MintRequest(
                credential="deploy",
                settings={
                    "region": REGION,
                    "role_arn": moto.role("first"),
                    "source": {"env": "KEYS"},
                },
                secrets={"source": Secret(moto.keys())},
                now=SystemClock().now(),
            ),
            deadline=20,
        )
    finally:
        await pool.close()

    assert "role/first/" in moto.caller(minted.body.decode())
    assert minted.kind == "aws"
