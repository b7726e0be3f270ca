"""What a login and a look-up say of a token, and when it ends."""

from __future__ import annotations

import pytest

from credward.errors import Kind
from unit.providers.vault.world import new_world


@pytest.fixture
def world():
    """Return a world with an AppRole."""
    with new_world() as made:
        made.server.kv2["llm"] = {"key": "key-1"}
        made.approle()
        yield made


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"auth": {"client_token": "", "mfa_requirement": {"x": 1}}}, Kind.FIX_CONFIGURATION),
        ({"auth": None}, Kind.PROVIDER_REFUSED),
        ({}, Kind.PROVIDER_REFUSED),
        ({"auth": {"client_token": ""}}, Kind.PROVIDER_REFUSED),
        ({"auth": {"client_token": 5, "lease_duration": 5}}, Kind.PROVIDER_REFUSED),
        ({"auth": {"client_token": "t", "lease_duration": "1h"}}, Kind.PROVIDER_REFUSED),
        ({"auth": {"client_token": "t", "lease_duration": -1}}, Kind.PROVIDER_REFUSED),
        (b"<html>", Kind.PROVIDER_REFUSED),
        (b"[]", Kind.PROVIDER_REFUSED),
    ],
)
def test_t7_an_answer_without_a_token_is_a_failure(world, answer, kind):
    """Whatever its status says."""
    world.server.status, world.server.answer = 200, answer

    assert world.failure(path="secret/llm").kind is kind


def test_g1_a_login_that_brings_a_token_in_its_last_second_is_refused(world):
    """By a role whose tokens live for half a second, say."""
    world.server.token_ttl = 0.5
    error = world.failure()

    assert (error.kind, error.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")
    assert "has ended already" in error.message


def test_g1_a_login_whose_token_never_ends_is_believed_where_the_server_says_so(world):
    """The answer of a login tells no `expire_time`, so the token is looked up."""
    world.server.token_ttl = 0

    assert world.mint().expires_at is None
    world.server.denied.add("auth/token/lookup-self")
    world.grant = None
    assert "did not say when its token ends" in world.failure().message


def test_g1_a_lookup_that_names_no_end_is_not_taken_for_one_without(world):
    """Only `null` is that."""
    world.words = {"token": world.give("token", "t")}
    world.server.status = 200
    for data in ({"ttl": 0}, {"ttl": 0, "expire_time": ""}, {"ttl": 0, "expire_time": 5}):
        world.server.answer = {"data": data}
        assert "did not say when its token ends" in world.failure().message
    world.server.answer = {"data": {"ttl": 0, "expire_time": None}}

    assert world.mint().expires_at is None
