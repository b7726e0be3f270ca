"""What a stored secret is bound to: whoever adds a setting says on which side it is."""

from __future__ import annotations

import dataclasses

from credward.config import CredentialConfig
from credward.settings.network import NetworkSettings
from credward.settings.registry import SETTINGS
from repository.tree import listed_reasons


def test_s1_each_setting_is_bound_or_free() -> None:
    """The list of sides is that of the settings; one that no file frees is bound."""
    listed = listed_reasons("bound_settings.txt")
    sides = {name: side.partition(",")[0] for name, side in listed.items()}
    found = {
        f"{provider}.{field}": "free" if field in settings.free else "bound"
        for provider, settings in SETTINGS.items()
        for field in settings.__struct_fields__
    }
    found |= {f"network.{field}": "bound" for field in NetworkSettings.__struct_fields__}
    # Of a credential itself the fields are read one by one (`issuing.secret_binding.use_of`).
    own = {f"credential.{field.name}" for field in dataclasses.fields(CredentialConfig)}

    assert {name: side for name, side in sides.items() if name not in own} == found
    assert own <= sides.keys()
    assert set(sides.values()) == {"bound", "free"}


def test_s1_only_settings_are_freed() -> None:
    """A name that is none would free nothing."""
    for settings in SETTINGS.values():
        assert set(settings.free) <= set(settings.__struct_fields__)
