"""Google's tokens by google-auth, against a fake Google on loopback that verifies what it is sent."""

from __future__ import annotations

import json
import time

import jwt
import pytest

from credward.errors import BrokerError, Kind
from credward.providers.gcp.provider import GcpProvider
from credward.providers.provider import ProviderRequest
from credward.settings.gcp import AccessBoundaryRule, Settings
from credward.settings.references import Reference
from credward.tokens import Secret
from fakes.google_server import (
    AGENT,
    AWS_SOURCE,
    AWS_SUBJECT,
    CLIENT,
    KEY,
    POOL,
    REFRESH,
    SUBJECT,
    TARGET,
    authorized_user,
    external_account,
    impersonation_url,
    make_io,
    service_account,
)

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
READ_ONLY = "https://www.googleapis.com/auth/devstorage.read_only"
IAM = "https://www.googleapis.com/auth/iam"


@pytest.fixture
def home(tmp_path):
    """Return a HOME, and a writer of the login that gcloud keeps in it."""
    folder = tmp_path / ".config/gcloud"
    folder.mkdir(parents=True)

    def write(info, mode=0o600):
        path = folder / "application_default_credentials.json"
        path.write_text(json.dumps(info))
        path.chmod(mode)
        return path

    write.environ = {"HOME": str(tmp_path)}
    return write


def mint(google, *, environ=None, grant=None, secrets=None, io=None, ask=None, **words):
    """Mint once for credential `vertex`."""
    return GcpProvider().mint(
        ProviderRequest(
            credential="vertex",
            settings=Settings(**words),
            grant=None if grant is None else Secret(grant),
            secrets={name: Secret(text) for name, text in (secrets or {}).items()},
            **(ask or {}),
        ),
        io or make_io(google, environ or {}),
    )


def mint_by_key(google, info=None, **words):
    """Mint with a service account key that the daemon handed over."""
    return mint(
        google,
        service_account_key=Reference(store="key"),
        secrets={"service_account_key": json.dumps(info or service_account())},
        **words,
    )


def check_ends(token, seconds):
    """Assert that the end is the one that the server meant."""
    assert token.expires_at == pytest.approx(time.time() + seconds, abs=30)
    assert token.issued_at <= time.time()


def test_a_service_account_key(google):
    """The assertion's signature is verified by the server; the scope is cloud-platform."""
    google.lifetime = 1234
    token = mint_by_key(google)

    assert google.bearers[token.secret.reveal()] == AGENT
    check_ends(token, 1234)
    assert token.upstream_id == token.secret.token_id()
    (seen,) = google.seen
    claims = jwt.decode(
        seen.form["assertion"],
        KEY.public_key(),
        algorithms=["RS256"],
        audience="https://oauth2.googleapis.com/token",
    )
    assert claims["scope"] == CLOUD_PLATFORM


def test_a_caller_narrows_the_scopes(google):
    """Those that it asked for take the place of the configured ones."""
    mint_by_key(google, scopes=(CLOUD_PLATFORM,), ask={"scopes": (READ_ONLY,)})

    (seen,) = google.seen
    claims = jwt.decode(seen.form["assertion"], options={"verify_signature": False})
    assert claims["scope"] == READ_ONLY


def test_a_login_of_gcloud(google, home):
    """ADC: all scopes that the login was given."""
    home(authorized_user())
    token = mint(google, environ=home.environ)

    assert google.bearers[token.secret.reveal()] == "user"
    check_ends(token, 3600)
    (seen,) = google.seen
    assert "scope" not in seen.form


@pytest.mark.parametrize("variable", ["GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG"])
def test_adc_may_lie_elsewhere(google, home, variable):
    """Where the variables of Google's own libraries say."""
    path = home(service_account())
    value = path if variable == "GOOGLE_APPLICATION_CREDENTIALS" else path.parent
    token = mint(google, environ={variable: str(value), "HOME": "/nonexistent"})

    assert google.bearers[token.secret.reveal()] == AGENT


def test_no_adc_is_said_with_the_command(google, tmp_path):
    """And the metadata server is not tried instead."""
    with pytest.raises(BrokerError, match="run gcloud auth application-default login") as caught:
        mint(google, environ={"HOME": str(tmp_path)})

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert google.seen == []


def test_an_open_adc_is_used_with_a_warning(google, home):
    """It is gcloud's file; an open file of our own configuration is refused."""
    path = home(authorized_user(), mode=0o644)
    io = make_io(google, home.environ)
    mint(google, io=io)
    assert f"run chmod 0600 {path}" in io.warning

    with pytest.raises(BrokerError, match=f"run chmod 0600 {path}"):
        mint(google, credentials_file=str(path))


def test_impersonation(google, home):
    """The source may do no more than that; scopes, delegates and lifetime go to the target."""
    home(authorized_user())
    token = mint(
        google,
        environ=home.environ,
        impersonate_service_account=TARGET,
        delegates=(AGENT,),
        lifetime=600,
        scopes=(READ_ONLY,),
        quota_project="billing",
    )

    assert google.bearers[token.secret.reveal()] == TARGET
    check_ends(token, 600)
    refresh, generate = google.seen
    assert "scope" not in refresh.form
    assert generate.path.endswith(f"/{TARGET}:generateAccessToken")
    assert generate.fields == {"delegates": [AGENT], "scope": [READ_ONLY], "lifetime": "600s"}
    assert generate.headers["x-goog-user-project"] == "billing"


def test_a_key_that_impersonates_asks_for_little_itself(google):
    """Scope iam is all that the source gets."""
    mint_by_key(google, impersonate_service_account=TARGET)

    claims = jwt.decode(google.seen[0].form["assertion"], options={"verify_signature": False})
    assert claims["scope"] == IAM


def test_an_impersonation_of_gcloud_and_one_of_ours_on_top(google, home):
    """A chain: user, then the account of the file, then the account of the settings."""
    home(
        {
            "type": "impersonated_service_account",
            "service_account_impersonation_url": impersonation_url(AGENT),
            "source_credentials": authorized_user(),
        }
    )
    token = mint(google, environ=home.environ)
    assert google.bearers[token.secret.reveal()] == AGENT

    token = mint(google, environ=home.environ, impersonate_service_account=TARGET)
    assert google.bearers[token.secret.reveal()] == TARGET
    assert [each.path.rpartition("/")[2] for each in google.seen[-2:]] == [
        f"{AGENT}:generateAccessToken",
        f"{TARGET}:generateAccessToken",
    ]


def test_who_may_not_impersonate_is_told_the_role(google):
    """By name, with the account that it is missing on."""
    google.may_impersonate.clear()
    with pytest.raises(BrokerError, match=r"roles/iam.serviceAccountTokenCreator") as caught:
        mint_by_key(google, impersonate_service_account=TARGET)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.FIX_CONFIGURATION, "no")
    assert TARGET in caught.value.message


def test_an_ended_login_of_gcloud(google, home):
    """With the command that gives a new one."""
    home(authorized_user(refresh_token="ended"))
    with pytest.raises(BrokerError, match=r"run gcloud auth application-default login$") as caught:
        mint(google, environ=home.environ)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.LOGIN_REQUIRED, "no")


def write_external(tmp_path, source, **more):
    """Write a workload identity configuration, open to all as it may be."""
    path = tmp_path / "external.json"
    path.write_text(json.dumps(external_account(source, **more)))
    path.chmod(0o644)
    return {"credentials_file": str(path)}


def test_federation_from_a_file(google, tmp_path):
    """Text or a field of JSON; read anew at each mint."""
    (tmp_path / "text").write_text(SUBJECT)
    (tmp_path / "json").write_text(json.dumps({"value": SUBJECT}))
    json_format = {"type": "json", "subject_token_field_name": "value"}
    for source in (
        {"file": str(tmp_path / "text")},
        {"file": str(tmp_path / "json"), "format": json_format},
    ):
        token = mint(google, **write_external(tmp_path, source))
        assert google.bearers[token.secret.reveal()] == "pool"
        check_ends(token, 3600)

    assert google.seen[0].form["scope"] == CLOUD_PLATFORM
    assert google.seen[0].form["audience"] == POOL


def test_federation_from_a_url(google, tmp_path):
    """Plain http is for loopback alone."""
    url = f"http://127.0.0.1:{google.port}/subject"
    json_format = {"type": "json", "subject_token_field_name": "value"}
    for source in ({"url": url}, {"url": f"{url}/json", "format": json_format}):
        token = mint(google, external_account=external_account(source))
        assert google.bearers[token.secret.reveal()] == "pool"


def test_federation_that_impersonates(google, tmp_path):
    """By the URL in the file, with the lifetime in the file."""
    (tmp_path / "text").write_text(SUBJECT)
    token = mint(
        google,
        **write_external(
            tmp_path,
            {"file": str(tmp_path / "text")},
            service_account_impersonation_url=impersonation_url(TARGET),
            service_account_impersonation={"token_lifetime_seconds": 900},
        ),
    )

    assert google.bearers[token.secret.reveal()] == TARGET
    check_ends(token, 900)
    assert google.seen[0].form["scope"] == IAM


def executable(tmp_path, answer, **more):
    """Return the source of a program that prints *answer*."""
    path = tmp_path / "subject program"
    path.write_text(
        f"#!/bin/sh\n[ $GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES = 1 ] || exit 1\n"
        f'[ "$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE" = {POOL} ] || exit 1\n'
        f"echo '{json.dumps(answer)}'\n"
    )
    path.chmod(0o755)
    return {"executable": {"command": f"'{path}' --argument", **more}}


GOOD = {
    "version": 1,
    "success": True,
    "token_type": "urn:ietf:params:oauth:token-type:jwt",
    "id_token": SUBJECT,
}


def test_federation_from_a_program(google, tmp_path):
    """Only where the configuration allows it."""
    words = write_external(tmp_path, executable(tmp_path, GOOD))
    with pytest.raises(BrokerError, match="set allow_executable = true") as caught:
        mint(google, **words)
    assert caught.value.kind is Kind.FIX_CONFIGURATION

    token = mint(google, allow_executable=True, **words)
    assert google.bearers[token.secret.reveal()] == "pool"

    token = mint(google, allow_executable=True, impersonate_service_account=TARGET, **words)
    assert google.bearers[token.secret.reveal()] == TARGET


def test_federation_from_aws(google, tmp_path):
    """By the instance's role: a signed request to STS is the subject token."""
    words = write_external(tmp_path, AWS_SOURCE, subject_token_type=AWS_SUBJECT)
    token = mint(google, **words)

    assert google.bearers[token.secret.reveal()] == "pool"
    assert "sts.eu-central-1.amazonaws.com" in google.seen[-1].form["subject_token"]


def test_the_metadata_server(google):
    """Only as source = "metadata", and marked as what Google's own clients send."""
    google.lifetime = 1800
    token = mint(google, source="metadata")

    assert google.bearers[token.secret.reveal()] == "vm"
    check_ends(token, 1800)
    (seen,) = google.seen
    assert (seen.host, seen.headers["metadata-flavor"]) == ("169.254.169.254", "Google")

    token = mint(google, source="metadata", metadata_host=f"127.0.0.1:{google.port}")
    assert google.bearers[token.secret.reveal()] == "vm"
    assert google.seen[-1].host == "127.0.0.1"

    token = mint(google, source="metadata", impersonate_service_account=TARGET)
    assert google.bearers[token.secret.reveal()] == TARGET


def test_a_door_of_our_own_is_no_metadata_server(google):
    """A worker would wait for the flight that it is in."""
    google.server_header = "credward"
    with pytest.raises(BrokerError, match="credward itself") as caught:
        mint(google, source="metadata")

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert google.seen[0].headers["credward-worker"] == "1"


@pytest.mark.parametrize(
    ("words", "who"),
    [
        ({}, AGENT),
        ({"impersonate_service_account": TARGET, "delegates": ("d@p",)}, TARGET),
        ({"source": "metadata"}, "vm"),
    ],
)
def test_id_tokens(google, words, who):
    """For the audience, with the end that they say themselves."""
    google.lifetime = 900
    words = {"token": "id", "audience": "https://run.example.com", **words}
    token = mint(google, **words) if "source" in words else mint_by_key(google, **words)

    claims = jwt.decode(
        token.secret.reveal(), KEY.public_key(), algorithms=["RS256"], audience=token.audience
    )
    assert (claims["email"], claims["aud"]) == (who, "https://run.example.com")
    assert token.expires_at == claims["exp"]


def test_an_access_token_has_no_audience(google):
    """One that a caller asks for is not passed over in silence."""
    with pytest.raises(BrokerError, match='set token = "id"') as caught:
        mint_by_key(google, ask={"audience": "b"})

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_an_audience_that_a_caller_asks_for(google):
    """Takes the place of the configured one."""
    token = mint_by_key(google, token="id", audience="a", ask={"audience": "b"})

    assert token.audience == "b"


def test_a_users_id_token_is_for_the_client_alone(google, home):
    """What else is asked for needs a service account."""
    home(authorized_user())
    with pytest.raises(BrokerError, match="impersonate_service_account") as caught:
        mint(google, environ=home.environ, token="id", audience="https://run.example.com")
    assert caught.value.kind is Kind.FIX_CONFIGURATION

    token = mint(google, environ=home.environ, token="id", audience=CLIENT["client_id"])
    assert token.audience == CLIENT["client_id"]


def test_a_pools_own_identity_has_no_id_token(google, tmp_path):
    """The federation answers with access tokens alone."""
    (tmp_path / "text").write_text(SUBJECT)
    words = write_external(tmp_path, {"file": str(tmp_path / "text")})
    with pytest.raises(BrokerError, match="set impersonate_service_account"):
        mint(google, token="id", audience="a", **words)

    token = mint(google, token="id", audience="a", impersonate_service_account=TARGET, **words)
    assert token.audience == "a"


def test_downscoping(google):
    """The boundary arrives as Google documents it, for a token of the account."""
    rule = AccessBoundaryRule(
        availableResource="//storage.googleapis.com/projects/_/buckets/b",
        availablePermissions=("inRole:roles/storage.objectViewer",),
    )
    token = mint_by_key(google, access_boundary=(rule,))

    assert google.bearers[token.secret.reveal()] == f"narrow {AGENT}"
    assert google.boundaries == [
        {
            "accessBoundary": {
                "accessBoundaryRules": [
                    {
                        "availableResource": "//storage.googleapis.com/projects/_/buckets/b",
                        "availablePermissions": ["inRole:roles/storage.objectViewer"],
                    }
                ]
            }
        }
    ]


LOGIN = {"client_id": CLIENT["client_id"], "client_secret": Reference(store="s")}
LOGIN_SECRET = {"client_secret": CLIENT["client_secret"]}


def test_a_login_of_our_own(google):
    """Refreshes with the grant; a grant that came instead is kept before the token is returned."""
    token = mint(google, grant=REFRESH, secrets=LOGIN_SECRET, **LOGIN)
    assert google.bearers[token.secret.reveal()] == "user"

    google.rotated = "fresh"
    grants = []
    mint(google, io=make_io(google, {}, grants), grant=REFRESH, secrets=LOGIN_SECRET, **LOGIN)
    assert [grant.secret.reveal() for grant in grants] == ["fresh"]


def test_a_new_grant_is_kept_though_a_later_step_fails(google):
    """It may be the only one that is left."""
    google.rotated = "fresh"
    google.may_impersonate.clear()
    grants = []
    io = make_io(google, {}, grants)
    with pytest.raises(BrokerError, match="serviceAccountTokenCreator"):
        mint(
            google,
            io=io,
            grant=REFRESH,
            secrets=LOGIN_SECRET,
            impersonate_service_account=TARGET,
            **LOGIN,
        )

    assert [grant.secret.reveal() for grant in grants] == ["fresh"]


def test_no_login_yet_and_an_ended_one(google):
    """With the command to type."""
    for grant in (None, "ended"):
        with pytest.raises(BrokerError, match=r"run credward login vertex$") as caught:
            mint(google, grant=grant, secrets=LOGIN_SECRET, **LOGIN)
        assert caught.value.kind is Kind.LOGIN_REQUIRED
