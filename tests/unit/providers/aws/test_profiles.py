"""Keys of profiles in files of the AWS command line."""

from __future__ import annotations

import hashlib
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from canaries import MARK
from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.providers.aws.client import Aws
from credward.providers.aws.profiles import resolve_profile, sso_session_of
from credward.providers.io import Machine, WorkerIo
from credward.providers.provider import HttpResponse
from credward.providers.transport import Transport
from credward.settings.network import NetworkSettings
from fakes.aws_sso import START_URL, serving_sso
from fakes.io import NOW, FakeIo

ROLE = "arn:aws:iam::123456789012:role/deploy"
CIRCLE = (
    f"[profile p]\nrole_arn = {ROLE}\nsource_profile = q\n"
    f"[profile q]\nrole_arn = {ROLE}\nsource_profile = p\n"
)
KEYS = {"Version": 1, "AccessKeyId": "AKIAPROGRAM", "SecretAccessKey": "s", "SessionToken": "t"}


@pytest.fixture
def profiles(tmp_path):
    """Return a function that resolves a profile of a configuration text."""
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        "[base]\naws_access_key_id = AKIABASE\naws_secret_access_key = secret\n"
    )

    def resolve(text: str, name: str = "p", **world):
        (tmp_path / ".aws" / "config").write_text(text)
        io = FakeIo(environ={"HOME": str(tmp_path)}, server=sts, **world)
        return resolve_profile(Aws("deploy", io, timeout=5), name), io

    return resolve


def sts(request):
    asked = {name: value[0] for name, value in parse_qs(request.body.decode()).items()}
    ends = datetime.fromtimestamp(NOW + 3600, UTC).isoformat()
    action = asked["Action"]
    body = (
        f"<{action}Response><{action}Result><Credentials>"
        f"<AccessKeyId>ASIA{asked['RoleSessionName']}</AccessKeyId>"
        f"<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{ends}</Expiration></Credentials></{action}Result></{action}Response>"
    )
    return HttpResponse(status=200, headers={}, body=body.encode())


def test_keys_that_are_written_out(profiles):
    """In either file; the region stands with them."""
    found, _ = profiles("[profile base]\nregion = eu-central-1\n", "base")

    assert (found.keys.access_key_id, found.keys.session_token) == ("AKIABASE", None)
    assert found.region == "eu-central-1"


@pytest.mark.parametrize("key", ["x_security_token_expires", "aws_expiration"])
def test_a_session_that_a_tool_wrote_down(profiles, key):
    """With the end that it noted beside it; one that is over is refused."""
    text = "[profile p]\naws_access_key_id = ASIA\naws_secret_access_key = s\n"
    text += f"aws_session_token = t\n{key} = "
    found, _ = profiles(text + datetime.fromtimestamp(NOW + 60, UTC).isoformat())
    with pytest.raises(BrokerError, match="expired already"):
        profiles(text + datetime.fromtimestamp(NOW - 60, UTC).isoformat())

    assert found.keys.expires_at == NOW + 60


def test_t12_a_program_is_run_anew_each_time(profiles):
    """By our own means: with a time limit, and nothing of it left over."""
    output = json.dumps({**KEYS, "Expiration": datetime.fromtimestamp(NOW + 9, UTC).isoformat()})
    found, io = profiles(
        "[profile p]\ncredential_process = '/opt/my tool' --x 'a b'\n", output=output.encode()
    )

    assert (found.keys.access_key_id, found.keys.expires_at) == ("AKIAPROGRAM", NOW + 9)
    assert io.commands == [(("/opt/my tool", "--x", "a b"), {}, 5)]


@pytest.mark.parametrize(
    "command",
    [
        "credward get deploy --format aws-process",
        "/usr/local/bin/credward-helper -f aws-process",
        "env A=1 credward-helper",
        "sh -c 'exec /opt/credward-helper deploy'",
        "/usr/bin/python3 -m credward get deploy",
    ],
)
def test_asks_not_itself(profiles, command):
    """At any depth: a worker would wait for the flight that it is in."""
    text = (
        f"[profile ours]\ncredential_process = {command}\n"
        f"[profile p]\nrole_arn = {ROLE}\nsource_profile = ours\n"
    )
    for name in ("ours", "p"):
        with pytest.raises(BrokerError, match="asks credward itself") as caught:
            profiles(text, name)
        assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_a_program_that_only_mentions_us_is_run(profiles):
    """An account may be called like us."""
    profiles(
        "[profile p]\ncredential_process = vault export credward\n",
        output=json.dumps(KEYS).encode(),
    )


def test_roles_of_profiles_are_assumed(profiles):
    """With the profile's own words; a profile may have its keys beside its role."""
    found, io = profiles(
        f"[profile p]\nrole_arn = {ROLE}\nsource_profile = base\nexternal_id = xy\n"
        "role_session_name = mine\nduration_seconds = 900\nregion = eu-west-1\n"
    )
    body = io.requests[0].body

    assert found.keys.access_key_id == "ASIAmine"
    assert io.requests[0].url == "https://sts.eu-west-1.amazonaws.com/"
    assert all(part in body for part in (b"ExternalId=xy", b"DurationSeconds=900"))
    itself = f"[profile base]\nrole_arn = {ROLE}\nsource_profile = base\n"
    assert profiles(itself, "base")[0].keys.access_key_id == "ASIAcredward"


def test_a_web_identity_of_a_profile(profiles, tmp_path):
    """From the file that it names, unsigned."""
    token = tmp_path / "token"
    token.write_text("identity\n")
    token.chmod(0o600)
    found, io = profiles(f"[profile p]\nrole_arn = {ROLE}\nweb_identity_token_file = {token}\n")

    assert found.keys.access_key_id == "ASIAcredward"
    assert b"WebIdentityToken=identity&" in io.requests[0].body + b"&"
    assert "Authorization" not in io.requests[0].headers


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not in the files"),
        ("[profile p]\nregion = eu-west-1\n", "names no keys"),
        ("[profile p]\naws_access_key_id = AKIA\n", "has no AWS keys"),
        (f"[profile p]\nrole_arn = {ROLE}\n", "without source_profile"),
        (f"[profile p]\nrole_arn = {ROLE}\nsource_profile = nobody\n", '"nobody" is not in'),
        (
            f"[profile p]\nrole_arn = {ROLE}\ncredential_source = EcsContainer\n",
            "credward does not look",
        ),
        (f"[profile p]\nrole_arn = {ROLE}\nsource_profile = base\nmfa_serial = m\n", "MFA code"),
        (
            f"[profile p]\nrole_arn = {ROLE}\nsource_profile = base\nduration_seconds = x\n",
            "invalid duration_seconds",
        ),
        ("[profile p]\nlogin_session = me\n", "aws login"),
        ("[profile p]\ncredential_process = 'unbalanced\n", "invalid credential_process"),
        ("[profile p]\nsso_account_id = 1\nsso_role_name = x\n", "lacks sso_start_url"),
        (CIRCLE, "leads back to itself"),
        (f"[profile p]\nrole_arn = {ROLE}\nsource_profile = p\n", "names no keys"),
        ("[profile p\n", "files of the AWS command line are wrong"),
    ],
)
def test_profiles_that_cannot_work(profiles, text, complaint):
    """Each says what to correct; none is asked for a code or dials a metadata service."""
    with pytest.raises(BrokerError, match=complaint) as caught:
        profiles(text)

    assert caught.value.kind in {Kind.FIX_CONFIGURATION, Kind.PROVIDER_REFUSED}


@pytest.fixture
def command_line(tmp_path, monkeypatch):
    """Return a login of the AWS command line: server, its cache, and what resolves the profile."""
    transport = Transport(NetworkSettings())
    with serving_sso() as sso:
        environ = {
            "HOME": str(tmp_path),
            "AWS_ENDPOINT_URL_SSO": sso.url,
            "AWS_ENDPOINT_URL_SSO_OIDC": sso.url,
        }
        monkeypatch.setenv("AWS_ENDPOINT_URL_SSO_OIDC", sso.url)
        (tmp_path / ".aws" / "sso" / "cache").mkdir(parents=True)

        def resolve(*, session: bool):
            place = f"sso_start_url = {START_URL}\nsso_region = eu-central-1\n"
            text = "[profile p]\nsso_account_id = 123456789012\nsso_role_name = Agent\n"
            text += f"sso_session = corp\n[sso-session corp]\n{place}" if session else place
            (tmp_path / ".aws" / "config").write_text(text)
            clock = SystemClock()
            io = WorkerIo(
                Machine(clock=clock, now=clock.now(), environ=environ, transport=lambda: transport),
                credential="deploy",
            )
            return resolve_profile(Aws("deploy", io, timeout=5), "p")

        def cache(*, session: bool, lifetime: float, **members: str) -> Path:
            name = hashlib.sha1(("corp" if session else START_URL).encode()).hexdigest()
            path = tmp_path / ".aws" / "sso" / "cache" / f"{name}.json"
            ends = datetime.fromtimestamp(time.time() + lifetime, UTC)
            access_token = sso.word("access-token")
            sso.access_tokens[access_token] = ends.timestamp()
            members |= {"accessToken": access_token, "expiresAt": f"{ends:%Y-%m-%dT%H:%M:%SZ}"}
            path.write_text(
                json.dumps({"startUrl": START_URL, "region": "eu-central-1", **members})
            )
            return path

        yield sso, cache, resolve
    transport.close()


@pytest.mark.parametrize("session", [True, False])
def test_the_login_of_the_command_line_is_used(command_line, session):
    """For the account and role of the profile; when it is over, its command is named."""
    _, cache, resolve = command_line
    with pytest.raises(BrokerError, match="run aws sso login --profile p") as none:
        resolve(session=session)
    cache(session=session, lifetime=3600)
    found = resolve(session=session)
    cache(session=session, lifetime=-5)
    with pytest.raises(BrokerError, match="run aws sso login --profile p") as over:
        resolve(session=session)

    assert found.keys.access_key_id.startswith("ASIA")
    assert 3400 < found.keys.expires_at - time.time() <= 3601
    assert {none.value.kind, over.value.kind} == {Kind.LOGIN_REQUIRED}
    assert MARK not in f"{over.value}{over.value.__context__}"


def test_the_login_of_the_command_line_is_renewed_where_it_lies(command_line):
    """As every SDK does; nothing of it is kept by us."""
    sso, cache, resolve = command_line
    client_id = sso.word("client-id")
    sso.clients[client_id] = {"secret": "s"}
    sso.refresh_token = sso.word("refresh-token")
    path = cache(
        session=True,
        lifetime=60,
        clientId=client_id,
        clientSecret="s",
        refreshToken=sso.refresh_token,
        registrationExpiresAt="2100-01-01T00:00:00Z",
    )
    found = resolve(session=True)
    kept = json.loads(path.read_text())

    assert found.keys.expires_at - time.time() > 3500
    assert kept["refreshToken"] == sso.refresh_token
    assert kept["accessToken"] in sso.access_tokens
    assert kept["expiresAt"].endswith("Z")
    assert sso.calls == ["/token", "/federation/credentials"]


def test_a_session_of_the_files_names_its_place(profiles, tmp_path):
    """`sso_session` is where start URL and region are looked up."""
    profiles(
        f"[sso-session corp]\nsso_start_url = {START_URL}\nsso_region = eu-central-1\n", "base"
    )
    aws = Aws("deploy", FakeIo(environ={"HOME": str(tmp_path)}), timeout=5)

    assert sso_session_of(aws, "corp") == (START_URL, "eu-central-1")
    with pytest.raises(BrokerError, match="run aws configure sso-session"):
        sso_session_of(aws, "other")
