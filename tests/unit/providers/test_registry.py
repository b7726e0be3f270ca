"""How a provider is found."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint

import pytest

from credward.errors import BrokerError, Kind
from credward.providers import registry
from credward.providers.registry import (
    GROUP,
    find_provider,
    load_provider,
    provider_entry_points,
)
from credward.settings.registry import SETTINGS
from fakes.plug_in import install_plug_in


def point(name, value):
    """Return an entry point of a provider."""
    return EntryPoint(name, value, GROUP)


def test_every_provider_of_ours_can_be_loaded():
    """By the same names as its settings."""
    names = {each.name for each in provider_entry_points()}

    assert {"command", "static", "local"} <= names <= set(SETTINGS)
    assert all(hasattr(load_provider(name), "mint") for name in names)


def test_the_table_for_checkouts_says_what_the_package_says(pytestconfig):
    """Two places, one truth."""
    project = tomllib.loads((pytestconfig.rootpath / "pyproject.toml").read_text())

    assert project["project"]["entry-points"][GROUP] == {
        each.name: each.value for each in registry._BUILT_IN
    }


def test_the_daemons_own_worker_is_found_and_nobody_takes_its_name(tmp_path, monkeypatch):
    """It is not among the providers, and a plug-in of that name is not loaded in its place."""
    source = "class P:\n    def mint(self, r, io): ...\n"
    install_plug_in(tmp_path, "thief", providers={"keychain": "P"}, source=source)
    monkeypatch.syspath_prepend(tmp_path)

    assert type(load_provider("keychain")).__module__ == "credward.store.keychain"
    assert "keychain" not in {each.name for each in registry._BUILT_IN}


def test_two_claims_on_one_name_are_an_error_that_names_both():
    """Whichever came first in some directory must not decide who mints."""
    points = [point("x", "a:A"), point("x", "b:B"), point("y", "c:C")]

    with pytest.raises(BrokerError, match='"x" is claimed by a:A and b:B') as caught:
        find_provider("x", points)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert find_provider("y", points).value == "c:C"


def test_one_claim_seen_twice_is_one():
    """An installed package and its editable twin."""
    assert find_provider("x", [point("x", "a:A"), point("x", "a:A")]).value == "a:A"


def test_an_unknown_name_lists_the_known_ones():
    """As a configuration error."""
    with pytest.raises(BrokerError, match='"z" is not installed, there are x, y'):
        find_provider("z", [point("y", "a:A"), point("x", "a:A")])


def test_a_plug_in_is_found_beside_ours(tmp_path, monkeypatch):
    """And cannot take the name of one of ours."""
    source = "class P:\n    def mint(self, r, io): ...\n"
    install_plug_in(
        tmp_path, "p", providers={"beside": "P", "command": "P", "bad": "Q"}, source=source
    )
    monkeypatch.syspath_prepend(tmp_path)

    assert type(load_provider("beside")).__name__ == "P"
    with pytest.raises(BrokerError, match=r"claimed by credward.providers.command.*plug_in_p:P"):
        load_provider("command")
    with pytest.raises(BrokerError, match=r"cannot be loaded from plug_in_p:Q \(AttributeError\)"):
        load_provider("bad")
