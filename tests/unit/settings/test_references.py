"""How configuration speaks of secrets."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.command import Settings as CommandSettings
from credward.settings.references import Reference, references_in, refuse_literal
from credward.settings.static import Settings


def test_each_source_is_read():
    """The words of the format."""
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
        ({"keychain": {"service": "x"}}, "missing required field `account`"),
        ({"env": "not a name"}, "name of a variable"),
        ({"env": "É"}, "name of a variable"),
        ({"file": "relative/key"}, "absolute path"),
        ({"command": []}, "a program and its arguments"),
        ({"command": ["./op"]}, "absolute path"),
        ({"fil": "/b"}, "unknown field `fil`"),
        ({"spiffe": "unix:///run/agent.sock"}, "spiffe and audience go together"),
        ({"audience": "a"}, "spiffe and audience go together"),
        ({"spiffe": "unix:///run/agent.sock", "audience": ""}, "spiffe and audience go together"),
        ({"spiffe": "tcp://127.0.0.1:80", "audience": "a"}, "a Workload API on this machine"),
        ({"spiffe": "unix://run/agent.sock", "audience": "a"}, "a Workload API on this machine"),
        ({"spiffe": "unix:///run/a?b", "audience": "a"}, "a Workload API on this machine"),
        ({"spiffe": "unix:///a", "audience": "a", "env": "A"}, "exactly one source"),
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
    spiffe = Reference(spiffe="unix:///run/agent.sock", audience="x")
    assert spiffe.describe() == "the SPIFFE Workload API at /run/agent.sock"


def test_a_later_way_changes_no_name() -> None:
    """Names of grants are made of the words of references: those that are not there do not count."""
    assert msgspec.to_builtins(Reference(env="KEY")) == {"env": "KEY"}


def test_references_are_found_by_their_fields():
    """The daemon resolves what only the daemon sees; the rest is the worker's."""
    settings = Settings(secret=Reference(env="KEY"))

    assert references_in(settings) == {"secret": Reference(env="KEY")}
    assert references_in(CommandSettings(command=("az",))) == {}
    assert Reference(env="KEY").of_daemon
    assert Reference(credential="jwt").of_daemon
    assert not Reference(file="/k").of_daemon
    assert not Reference(spiffe="unix:///a", audience="b").of_daemon
