"""Each way to a server's token, through the real hvac."""

from __future__ import annotations

import base64
import json

import jwt
import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpResponse, ProviderRequest
from credward.providers.vault.provider import VaultProvider
from credward.settings.references import Reference
from credward.settings.vault import Settings
from fakes.io import NOW, FakeIo
from unit.providers.vault.world import new_world


@pytest.fixture
def world():
    """Return a world in which no method is mounted yet."""
    with new_world() as made:
        made.server.kv2["llm"] = {"key": "key-1"}
        yield made


def sign(**claims):
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def logs_in(world, **words):
    """Mint by these settings and return the request of the login."""
    assert world.mint(path="secret/llm", **words).secret.reveal() == "key-1"
    return world.server.asked[0]


# --- approle


def test_approle(world):
    """Both ids, and another mount."""
    world.server.logins["approle-ci"] = {"role_id": "role-1"}
    world.server.secret_ids.add("sid-1")
    secret_id = world.give("secret_id", "sid-1\n")
    asked = logs_in(
        world,
        auth_method="approle",
        role_id="role-1",
        secret_id=secret_id,
        auth_mount="approle-ci",
    )

    assert asked.path == "auth/approle-ci/login"
    assert asked.body == {"role_id": "role-1", "secret_id": "sid-1"}
    assert "x-vault-token" not in asked.headers


def test_a_role_id_may_be_a_secret_too(world):
    """By reference, then."""
    words = world.approle() | {"role_id": world.give("role_id", "role-1")}

    assert logs_in(world, **words).body["role_id"] == "role-1"


def test_a_wrong_secret_id_is_configuration(world):
    """The answer may quote it; the message does not."""
    world.approle()
    world.secrets["secret_id"] = type(world.secrets["secret_id"])(canary("sid"))
    error = world.failure(path="secret/llm")

    assert error.kind is Kind.FIX_CONFIGURATION
    assert "refuses the login by approle" in error.message
    assert MARK not in error.message


def test_a_wrapped_secret_id_is_unwrapped_once_and_kept(world):
    """A second unwrapping would be refused; later logins use what came of the first."""
    world.approle(secret_id_wrapped=True)
    wrapping = world.server.wrap({"secret_id": "sid-1", "secret_id_accessor": "a"})
    world.give("secret_id", wrapping)
    assert world.mint(path="secret/llm").secret.reveal() == "key-1"
    world.wait(1300)
    assert world.mint(path="secret/llm").secret.reveal() == "key-1"

    assert world.server.paths().count("sys/wrapping/unwrap") == 1
    assert world.server.asked[0].headers["x-vault-token"] == wrapping


def test_an_unwrapped_secret_id_survives_a_failing_login(world):
    """It is saved before it is used."""
    world.approle(secret_id_wrapped=True, role_id="wrong")
    world.give("secret_id", world.server.wrap({"secret_id": "sid-1"}))
    world.failure(path="secret/llm")
    world.words["role_id"] = "role-1"
    kept = json.loads(world.grant.reveal())

    assert kept["secret_id"] == "sid-1"


def test_a_wrapping_token_that_was_used_is_an_alarm(world):
    """Somebody else may have the secret id."""
    world.approle(secret_id_wrapped=True)
    world.give("secret_id", "hvs.used")
    error = world.failure(path="secret/llm")

    assert error.kind is Kind.FIX_CONFIGURATION
    assert "find out who used it" in error.message


def test_a_wrapping_of_something_else_is_refused(world):
    """A wrapped login, say."""
    world.approle(secret_id_wrapped=True)
    world.give("secret_id", world.server.wrap({"other": canary("x")}))

    assert "contained no secret id" in world.failure(path="secret/llm").message


# --- methods that present a JWT


@pytest.mark.parametrize("method", ["kubernetes", "jwt", "gcp", "azure"])
def test_a_jwt_is_presented(world, method):
    """For a role."""
    text = sign(exp=NOW + 60)
    world.server.logins[method] = {"role": "app", "jwt": text}
    asked = logs_in(world, auth_method=method, role="app", jwt=world.give("jwt", f"{text}\n"))

    assert asked.path == f"auth/{method}/login"
    assert asked.body == {"role": "app", "jwt": text}


def test_a_jwt_may_be_another_credentials_token(world):
    """The daemon mints it."""
    text = sign(exp=NOW + 60)
    world.server.logins["jwt"] = {"jwt": text}
    world.give("jwt", text)

    assert logs_in(world, auth_method="jwt", jwt="github").body["jwt"] == text


def test_azure_takes_more_words(world):
    """About the machine."""
    text = sign(exp=NOW + 60)
    world.server.logins["azure"] = {"jwt": text, "vm_name": "vm-1"}

    logs_in(
        world,
        auth_method="azure",
        role="app",
        jwt=world.give("jwt", text),
        auth_parameters={"vm_name": "vm-1"},
    )


def test_t12_an_expired_jwt_is_not_presented(world):
    """A new one may come by itself: that is no matter of configuration."""
    world.server.logins["jwt"] = {}
    reference = world.give("jwt", sign(exp=NOW - 1))
    error = world.failure(auth_method="jwt", jwt=reference, path="secret/llm")

    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_REFUSED, "no")
    assert "its JWT in" in error.message
    assert world.server.asked == []


def test_an_empty_jwt_is_configuration(world):
    """And is not sent."""
    error = world.failure(auth_method="jwt", jwt=world.give("jwt", "\n"), path="secret/llm")

    assert error.kind is Kind.FIX_CONFIGURATION
    assert world.server.asked == []


def test_a_pod_without_a_token_is_told_where_it_was_looked_for(world):
    """The default place of Kubernetes."""
    error = world.failure(auth_method="kubernetes", role="app", path="secret/llm")

    assert "/var/run/secrets/kubernetes.io/serviceaccount/token" in error.message
    assert error.kind is Kind.FIX_CONFIGURATION


# --- the others


@pytest.mark.parametrize("method", ["userpass", "ldap"])
def test_user_and_password(world, method):
    """The user is part of the path."""
    world.server.logins[method] = {"username": "me", "password": "pass word"}
    reference = world.give("password", "pass word")
    asked = logs_in(world, auth_method=method, username="me", password=reference)

    assert asked.path == f"auth/{method}/login/me"


def test_aws_signs_who_it_is(world):
    """With the keys of another credential; the server asks STS with the request that it gets."""
    keys = {"AccessKeyId": "AKIA1", "SecretAccessKey": canary("key"), "SessionToken": "session"}
    world.server.logins["aws"] = {"role": "app", "iam_http_request_method": "POST"}
    world.give("aws_credentials", json.dumps(keys))
    asked = logs_in(world, auth_method="aws", role="app", aws_credentials="bedrock")
    headers = json.loads(base64.b64decode(asked.body["iam_request_headers"]))

    assert "Credential=AKIA1/" in headers["Authorization"][0]
    assert headers["X-Amz-Security-Token"] == ["session"]
    assert MARK not in json.dumps(asked.body)


def test_aws_needs_keys(world):
    """A bearer token signs nothing."""
    world.give("aws_credentials", "token")
    error = world.failure(auth_method="aws", aws_credentials="sso", path="secret/llm")

    assert "has no AWS keys" in error.message


def test_cert_presents_a_certificate():
    """By the transport; here what it is told."""
    auth = {"client_token": "t", "lease_duration": 60, "renewable": False}

    def server(_):
        return HttpResponse(status=200, headers={}, body=json.dumps({"auth": auth}).encode())

    io = FakeIo(server=server)
    settings = Settings(
        address="https://vault", auth_method="cert", role="web", client_cert="/c", client_key="/k"
    )
    token = VaultProvider().mint(ProviderRequest(credential="kv", settings=settings), io)

    assert token.secret.reveal() == "t"
    assert io.requests[0].client_certificate == ("/c", "/k")
    assert json.loads(io.requests[0].body) == {"name": "web"}


# --- a token that is given


def test_a_given_token_is_looked_up(world):
    """Its end is what the server says."""
    reference = world.give("token", world.server.new_token(ttl=500) + "\n")
    token = world.mint(token=reference)

    assert token.expires_at == NOW + 500
    assert world.server.paths() == ["auth/token/lookup-self"]
    assert world.io.grants == []


def test_a_given_token_is_renewed_when_half_its_life_is_over(world):
    """And served for what is left where that cannot be."""
    reference = world.give("token", world.server.new_token(ttl=1000))
    world.wait(600)
    assert world.mint(token=reference).expires_at == NOW + 600 + 1000

    reference = world.give("token", world.server.new_token(ttl=1000, renewable=False))
    world.wait(600)
    assert world.mint(token=reference).expires_at == NOW + 600 + 1000


def test_a_token_without_an_end_has_none(world):
    """Root tokens, and some of Consul's making."""
    assert world.mint(token=world.give("token", world.server.new_token(ttl=0))).expires_at is None


def test_the_command_lines_token_is_used_where_none_is_named(world, tmp_path):
    """Where `login` left it."""
    path = tmp_path / ".vault-token"
    path.write_text(world.server.new_token())
    path.chmod(0o600)
    world.io.environ["HOME"] = str(tmp_path)

    assert world.mint(path="secret/llm").secret.reveal() == "key-1"


def test_without_the_command_lines_token_its_login_is_named(world, tmp_path):
    """There is nothing in the configuration to correct."""
    world.io.environ["HOME"] = str(tmp_path)

    assert world.failure(path="secret/llm").message.endswith("run vault login, or set token")


def test_a_dead_token_is_configuration(world):
    """Nobody but its owner can replace it."""
    error = world.failure(token=world.give("token", canary("dead")), path="secret/llm")

    assert error.kind is Kind.FIX_CONFIGURATION
    assert "refuses its token, which has expired or was revoked" in error.message
    assert MARK not in repr(error)


# --- answers


def test_oidc_without_a_login_asks_for_one(world):
    """The command is in the message; nothing is sent."""
    with pytest.raises(BrokerError, match='"kv" needs a login: run credward login kv') as caught:
        world.mint(auth_method="oidc", path="secret/llm")

    assert caught.value.kind is Kind.LOGIN_REQUIRED
    assert world.server.asked == []


def test_h3_what_is_presented_stays_out_of_messages(world):
    """References are named by where they point."""
    for method in ("jwt", "kubernetes"):
        reference = Reference(file="/nowhere/jwt")
        error = world.failure(auth_method=method, role="r", jwt=reference, path="secret/llm")
        assert "/nowhere/jwt" in error.message
