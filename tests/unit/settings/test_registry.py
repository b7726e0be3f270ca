"""The list of providers that a configuration may name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from credward import settings as settings_package
from credward.errors import BrokerError
from credward.settings.keychain import Settings as KeychainSettings
from credward.settings.registry import OWN_KINDS, SETTINGS, settings_of
from fakes.plug_in import install_plug_in


def test_lists_the_built_in_providers():
    """Every settings file of ours is there, and what is no provider is not."""
    folder = Path(settings_package.__path__[0])
    files = {each.stem for each in folder.glob("*.py") if "\nclass Settings(" in each.read_text()}

    assert files == {*SETTINGS, *OWN_KINDS} - {"probe"}
    assert len(list(SETTINGS)) == len(SETTINGS)


@pytest.mark.parametrize(
    ("used", "looked_for", "loaded"),
    [
        (
            "r.SETTINGS['aws']",
            "m in {'credward.settings.aws', 'credward.settings.gcp'}",
            ["credward.settings.aws"],
        ),
        ("None", "m.startswith('credward.providers')", []),
    ],
    ids=["settings", "providers"],
)
def test_only_what_is_used_is_loaded(used, looked_for, loaded):
    """Each provider's settings take a tenth of a megabyte; what they check may dial, and is not loaded at all."""
    program = (
        f"import sys, credward.settings.registry as r; list(r.SETTINGS); {used};"
        f"print([m for m in sys.modules if {looked_for}])"
    )
    environ = {"PYTHONPATH": str(Path(__file__).parents[3] / "broker")}

    shown = subprocess.check_output([sys.executable, "-c", program], env=environ, text=True)

    assert shown.strip() == str(loaded)


def test_every_entry_is_strict():
    """A misspelt key is an error for every provider."""
    for settings in SETTINGS.values():
        with pytest.raises(msgspec.ValidationError, match=r"regoin|missing required"):
            msgspec.convert({"regoin": 1}, settings)
        assert settings.__struct_config__.forbid_unknown_fields
        assert settings.__struct_config__.frozen


def test_an_unknown_name_is_a_key_error():
    """The configuration's own message names the known ones."""
    assert "nosuch" not in SETTINGS
    with pytest.raises(KeyError):
        SETTINGS["nosuch"]


def test_no_credential_names_a_worker_of_the_daemons_own(tmp_path, monkeypatch):
    """The keychain's worker has settings, but is no provider; no plug-in makes it one."""
    claims = {"keychain": "Settings", "probe": "Settings"}
    install_plug_in(tmp_path, "one", settings=claims, source="Settings = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    assert set(OWN_KINDS) == {"keychain", "probe"}
    assert OWN_KINDS.isdisjoint(SETTINGS)
    assert "keychain" not in SETTINGS
    assert "probe" not in SETTINGS
    assert settings_of("keychain") is KeychainSettings
    assert settings_of("local") is SETTINGS["local"]
    with pytest.raises(KeyError):
        settings_of("nosuch")


def test_a_plug_in_brings_its_settings(tmp_path, monkeypatch):
    """A package that announces settings is found under its name."""
    source = "import msgspec\nclass Settings(msgspec.Struct, frozen=True): x: int\n"
    install_plug_in(tmp_path, "one", settings={"beside": "Settings"}, source=source)
    monkeypatch.syspath_prepend(tmp_path)

    assert "beside" in set(SETTINGS)
    assert msgspec.convert({"x": 1}, SETTINGS["beside"]).x == 1


def test_two_claims_on_one_name_are_an_error(tmp_path, monkeypatch):
    """Neither wins by chance: both are named."""
    for package in ("one", "two"):
        install_plug_in(tmp_path, package, settings={"beside": "Settings"}, source="Settings = 1\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(BrokerError, match="plug_in_one:Settings and plug_in_two:Settings"):
        SETTINGS["beside"]


def test_a_plug_in_that_cannot_be_loaded_says_so(tmp_path, monkeypatch):
    """A broken package is a configuration error, not a traceback."""
    install_plug_in(tmp_path, "broken", settings={"beside": "Nothing"}, source="")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(BrokerError, match="plug_in_broken:Nothing"):
        SETTINGS["beside"]
