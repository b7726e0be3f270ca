"""What is kept between mints, as a grant."""

from __future__ import annotations

import pytest

from canaries import MARK, canary
from credward.providers.vault.client import make_client
from credward.providers.vault.state import (
    Lease,
    VaultToken,
    load_state,
    make_grant,
    name_of,
)
from credward.settings.references import Reference
from credward.settings.vault import Settings
from credward.tokens import Secret
from fakes.io import FakeIo


def client(**words):
    settings = {"address": "https://a", "auth_method": "approle", "role_id": "r"} | words
    return make_client("kv", Settings(**settings), FakeIo())


def whole():
    """Return a state with everything in it."""
    state = load_state(client(), None)
    state.token = VaultToken(id=canary("token"), expires_at=10.0, ttl=5.0)
    state.leases["kv:x"] = Lease(
        id="l", data={"p": canary("p")}, expires_at=9.0, ttl=5.0, renewable=True, of="t"
    )
    state.secret_id, state.wrapped_in = canary("sid"), "w"
    return state


def test_comes_back_as_it_was():
    """For the same login."""
    state = whole()

    assert load_state(client(), make_grant(state).secret) == state


@pytest.mark.parametrize(
    "words",
    [
        {"address": "https://b"},
        {"namespace": "n"},
        {"auth_mount": "m"},
        {"role_id": "other"},
        {"role_id": Reference(env="ROLE")},
        {"secret_id": Reference(env="SID")},
        {"auth_method": "kubernetes", "role_id": None, "role": "r"},
    ],
)
def test_another_login_starts_anew(words):
    """Nothing of one server is shown to another."""
    assert load_state(client(**words), make_grant(whole()).secret).token is None


def test_what_to_read_is_no_part_of_the_login():
    """One login serves several paths."""
    state = load_state(client(path="secret/x"), make_grant(whole()).secret)

    assert state.token is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"belongs_to": 1}', "\x00"])
def test_damage_is_an_empty_state(text):
    """The next login repairs it."""
    assert load_state(client(), Secret(text)).token is None


def test_h3_shows_nothing_of_itself():
    """In no representation."""
    state = whole()
    grant = make_grant(state)

    assert MARK not in f"{state} {state.token} {state.leases} {grant}"


def test_names_are_one_way():
    """Short, and never the text."""
    assert len(name_of("text")) == 16
    assert name_of("text") != name_of("Text")
