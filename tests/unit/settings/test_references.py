"""How configuration speaks of secrets."""

from __future__ import annotations

import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.settings.command import Settings as CommandSettings
from credward.settings.references import Reference, environment_grant, refuse_literal
from credward.settings.static import Settings


def test_each_source_is_read():
    """The three sources that this version can read."""
    assert msgspec.convert({"env": "KEY"}, Reference) == Reference(env="KEY")
    assert msgspec.convert({"file": "~/key"}, Reference) == Reference(file="~/key")
    assert msgspec.convert({"command": ["op", "read"]}, Reference) == Reference(
        command=("op", "read")
    )


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({}, "exactly one source"),
        ({"env": "A", "file": "/b"}, "exactly one source"),
        ({"store": "name"}, "store cannot be read by this version"),
        ({"keychain": {"service": "x"}}, "keychain cannot be read by this version"),
        ({"env": "not a name"}, "name of a variable"),
        ({"env": "É"}, "name of a variable"),
        ({"file": "relative/key"}, "absolute path"),
        ({"command": []}, "a program and its arguments"),
        ({"command": ["./op"]}, "absolute path"),
        ({"fil": "/b"}, "unknown field `fil`"),
    ],
)
def test_what_is_no_source_is_refused(words, complaint):
    """Each with what to write instead."""
    with pytest.raises(msgspec.ValidationError, match=complaint):
        msgspec.convert(words, Reference)


def test_a_literal_is_refused_without_repeating_it():
    """A secret in the configuration does not end up in the error too."""
    with pytest.raises(ValueError, match="written out") as caught:
        refuse_literal("sk-canary")

    assert "canary" not in str(caught.value)
    assert "env = " in str(caught.value)


def test_a_description_names_the_place_and_no_arguments():
    """Arguments of a program may be secret themselves."""
    assert Reference(env="KEY").describe() == "variable KEY"
    assert Reference(file="/run/key").describe() == "file /run/key"
    assert Reference(command=("op", "read", "op://x")).describe() == "program op"


def test_a_variable_becomes_the_grant():
    """The daemon resolves what only the daemon sees."""
    settings = Settings(secret=Reference(env="KEY"))

    grant = environment_grant("gateway", settings, {"KEY": "value"})

    assert grant is not None
    assert grant.reveal() == "value"


@pytest.mark.parametrize("environ", [{}, {"KEY": ""}])
def test_a_missing_variable_is_a_configuration_error(environ):
    """Empty counts as missing: an empty token is never a success (T7)."""
    with pytest.raises(BrokerError, match="KEY, which is not set") as caught:
        environment_grant("gateway", Settings(secret=Reference(env="KEY")), environ)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_other_settings_have_no_variable():
    """Nothing is handed over that was not asked for."""
    assert environment_grant("a", CommandSettings(command=("az",)), {"KEY": "v"}) is None
    assert environment_grant("a", Settings(secret=Reference(file="/k")), {"KEY": "v"}) is None
