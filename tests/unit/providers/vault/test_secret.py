"""What a path holds, by engine, and when it ends."""

from __future__ import annotations

import json

import jwt
import pytest

from credward.errors import Kind
from fakes.io import NOW
from unit.providers.vault.world import new_world

MOUNTS = "sys/internal/ui/mounts/"


@pytest.fixture
def world():
    """Return a world with a token that never ends."""
    with new_world() as made:
        made.words = {"token": made.give("token", made.server.new_token(ttl=0))}
        yield made


def read(world, **words):
    """Return text, kind and end of what a mint brings."""
    token = world.mint(**words)
    return token.secret.reveal(), token.kind, token.expires_at


# --- KV


@pytest.mark.parametrize("path", ["secret/llm", "/secret/llm/", "secret/data/llm"])
@pytest.mark.parametrize("version", [None, 2])
def test_kv_2(world, path, version):
    """By the name that people use, or by the API's; the version is found out or told."""
    world.server.kv2["llm"] = {"key": "k", "note": "n"}
    token = world.mint(path=path, field="key", kv_version=version)

    assert token.secret.reveal() == "k"
    assert token.upstream_id == "version 3"
    assert any(each.startswith(MOUNTS) for each in world.server.paths()) is (version is None)


def test_kv_2_below_a_mount_of_two_segments(world):
    """The mount is told where it cannot be guessed."""
    world.server.unleased["team/kv/data/llm"] = {"data": {"key": "k"}, "metadata": {}}

    text, *_ = read(world, path="team/kv/llm", mount_point="team/kv", kv_version=2)
    assert text == "k"


@pytest.mark.parametrize("version", [None, 1])
def test_kv_1(world, version):
    """What it calls a lease duration is none."""
    world.server.kv1["kv/llm"] = {"key": "k"}

    assert read(world, path="kv/llm", kv_version=version) == ("k", "bearer", NOW + 300)


def test_a_stored_secret_is_read_again_after_the_interval(world):
    """It has no end of its own; 0 says that there is none."""
    world.server.kv2["llm"] = {"key": "k"}

    assert read(world, path="secret/llm", refresh_interval=60)[2] == NOW + 60
    assert read(world, path="secret/llm", refresh_interval=0)[2] is None


def test_a_token_that_may_not_ask_for_the_mount_reads_as_is(world):
    """And is told what to set where that was wrong."""
    world.server.kv1["kv/llm"] = {"key": "k"}
    world.server.denied.add(MOUNTS)
    assert read(world, path="kv/llm")[0] == "k"
    error = world.failure(path="secret/llm")

    assert "set kv_version = 2" in error.message


@pytest.mark.parametrize(
    ("data", "words", "complaint"),
    [
        ({"a": "1", "b": "2"}, {}, "has 2 fields of text: set field"),
        ({}, {}, "has 0 fields of text"),
        ({"a": "1"}, {"field": "b"}, 'no text in field "b"'),
        ({"a": {"b": "c"}}, {"field": "a"}, 'no text in field "a"'),
        ({"a": ""}, {}, "is not one line of printable ASCII"),
        ({"a": "one\ntwo"}, {}, "is not one line of printable ASCII"),
        ({"a": "schlüssel"}, {}, "is not one line of printable ASCII"),
    ],
)
def test_t7_what_is_no_secret_is_refused(world, data, words, complaint):
    """Never empty, never by chance one of several."""
    world.server.kv2["llm"] = data
    error = world.failure(path="secret/llm", **words)

    assert complaint in error.message
    assert error.kind is Kind.FIX_CONFIGURATION


def test_nothing_there_is_configuration(world):
    """Also where the last version was deleted."""
    error = world.failure(path="secret/nothing")

    assert 'has nothing at "secret/nothing"' in error.message
    assert error.kind is Kind.FIX_CONFIGURATION


def test_kinds(world):
    """A header may want a key of its own, or user and password."""
    world.server.kv2["llm"] = {"key": "k", "login": "me:pw"}

    assert read(world, path="secret/llm", field="key", kind="api-key")[1] == "api-key"
    assert read(world, path="secret/llm", field="login", kind="basic")[:2] == ("me:pw", "basic")


# --- engines


@pytest.mark.parametrize("session", ["security_token", "session_token", None])
def test_aws_keys(world, session):
    """In the shape that AWS's own tools read; the lease is their end."""
    world.server.dynamic["aws/creds/app"] = {
        "access_key": "AKIA{n}",
        "secret_key": "secret",
        **({session: "session"} if session else {"security_token": None}),
    }
    token = world.mint(path="aws/creds/app")
    keys = json.loads(token.secret.reveal())

    assert keys.pop("SessionToken", None) == ("session" if session else None)
    assert keys == {"AccessKeyId": "AKIA1", "SecretAccessKey": "secret"}
    assert (token.kind, token.expires_at) == ("aws", NOW + 600)
    assert token.upstream_id == "AKIA1"


def test_a_database_gives_user_and_password(world):
    """As `user:password`, or one of the two."""
    world.server.dynamic["database/creds/app"] = {"username": "u", "password": "p"}

    assert read(world, path="database/creds/app") == ("u:p", "basic", NOW + 600)
    world.grant = None
    assert read(world, path="database/creds/app", field="password")[:2] == ("p", "bearer")


def test_data_is_posted(world):
    """Engines that want parameters."""
    world.server.dynamic["aws/sts/app"] = {"access_key": "A", "secret_key": "S"}
    world.mint(path="aws/sts/app", data={"ttl": "15m"})
    asked = world.server.asked[-1]

    assert (asked.method, asked.path, asked.body) == ("POST", "aws/sts/app", {"ttl": "15m"})


def test_ends_without_a_lease(world):
    """The engine's own words for it, or the token's."""
    text = jwt.encode({"exp": int(NOW) + 70}, "k" * 32, algorithm="HS256")
    for data, end in (
        ({"token": "t", "ttl": 50}, NOW + 50),
        ({"token": "t", "expires_at_seconds": int(NOW) + 60, "token_ttl": 59}, NOW + 59),
        ({"token": text, "client_id": "c"}, NOW + 70),
        ({"token": text, "ttl": 300}, NOW + 70),
        ({"service_account_token": "t", "service_account_name": "n"}, NOW + 300),
    ):
        world.server.unleased["identity/oidc/token/app"] = data
        assert read(world, path="identity/oidc/token/app") == (
            data.get("token", "t"),
            "bearer",
            end,
        )


def test_a_token_role_answers_as_a_login(world):
    """A child token for somebody else."""
    text, kind, end = read(world, path="auth/token/create/app", data={"ttl": "90s"})

    assert text in world.server.tokens
    assert (kind, end) == ("bearer", NOW + 90)


def test_g1_a_secret_in_its_last_second_is_not_a_stored_one(world):
    """A password that its engine is about to rotate, a child token that has just ended."""
    world.server.unleased["database/static-creds/app"] = {
        "username": "u",
        "password": "p",
        "ttl": 0,
    }
    error = world.failure(path="database/static-creds/app")
    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")
    error = world.failure(path="auth/token/create/app", data={"ttl": "0.5s"})
    assert error.kind is Kind.PROVIDER_REFUSED


def test_g1_a_child_token_without_an_end_is_one_where_the_server_says_so(world):
    """Such as a root token makes; it is asked for anew after the interval, as what is stored."""
    end = read(world, path="auth/token/create", data={"ttl": "0s"})[2]

    assert end == NOW + 300
    assert "auth/token/lookup-self" in world.server.paths()


def test_g1_a_lease_in_its_last_second_is_refused(world):
    """The life that an engine gives is a whole number of seconds, too."""
    world.server.lease_ttl = 0.5
    world.server.dynamic["database/creds/app"] = {"username": "u", "password": "p"}

    assert world.failure(path="database/creds/app").kind is Kind.PROVIDER_REFUSED


@pytest.mark.parametrize(
    "data",
    [
        {"token": "t", "expires_at_seconds": int(NOW) - 1},
        {"token": "t", "expires_at_seconds": int(NOW) * 1000},
        {"token": "t", "ttl": -5},
    ],
)
def test_t7_an_end_that_makes_no_sense_is_refused(world, data):
    """Rather than handed out."""
    world.server.unleased["gcp/token/app"] = data
    error = world.failure(path="gcp/token/app")

    assert error.kind is Kind.PROVIDER_REFUSED


def test_a_path_that_holds_nothing(world):
    """An engine that wants parameters answers like that."""
    world.server.unleased["x/y"] = {}
    assert "0 fields" in world.failure(path="x/y").message


def test_names_with_odd_characters(world):
    """Are quoted on their way."""
    world.server.kv2["a%20b%23c"] = {"key": "k"}

    assert read(world, path="secret/a b#c")[0] == "k"
