"""What a stored secret is bound to: whoever adds a setting says on which side it is."""

from __future__ import annotations

import msgspec

from credward.config import Config, CredentialConfig
from credward.grants.secret_binding import use_of
from credward.settings import static
from credward.settings.network import NetworkSettings
from credward.settings.references import Reference
from credward.settings.registry import SETTINGS
from repository.tree import listed_reasons

KEY = Reference(store="key")
# What the settings of each provider mean; which of them are free does not depend on their values.
MEANING = {
    name: SETTINGS[name](**words).meaning
    for name, words in {
        "anthropic": {"api_key": KEY},
        "aws": {"profile": "p"},
        "command": {"command": ("print-token",)},
        "entra": {"source": "az", "resource": "my-res"},
        "gcp": {},
        "local": {},
        "oauth": {"issuer": "https://i.example", "client_id": "c", "client_secret": KEY},
        "static": {"secret": KEY},
        "vault": {"address": "https://v.example"},
    }.items()
}


def test_s1_each_setting_is_bound_or_free() -> None:
    """The list of sides is that of the settings; one that no file frees is bound."""
    listed = listed_reasons("bound_settings.txt")
    sides = {name: side.partition(",")[0] for name, side in listed.items()}
    found = {
        f"{provider}.{field}": "free" if field in MEANING[provider].free else "bound"
        for provider, settings in SETTINGS.items()
        for field in settings.__struct_fields__
    }
    found |= {f"network.{field}": "bound" for field in NetworkSettings.__struct_fields__}
    found |= {f"credential.{name}": side for name, side in sides_of_a_credential().items()}

    assert sides == found
    assert set(sides.values()) == {"bound", "free"}


def sides_of_a_credential() -> dict[str, str]:
    """Return for each field whether another value of it makes another use of the secret."""
    key = Reference(store="key")
    before = CredentialConfig(
        name="a", provider="static", settings=static.Settings(secret=key), epoch="e", grant="g"
    )
    others = {
        **dict.fromkeys(("name", "provider", "epoch", "grant", "header", "env_name"), "x"),
        **dict.fromkeys(("base_urls", "audiences", "scopes", "fallback"), ("x",)),
        "settings": SETTINGS["oauth"](issuer="https://i.example", client_id="c", client_secret=key),
        "allowed_flags": frozenset({"proxy"}),
        "keep": "always",
        "idle_after": 1.0,
        "persist": True,
        "bound": True,
        "origin": "x",
    }
    assert others.keys() == {field.name for field in msgspec.structs.fields(CredentialConfig)}

    def use(credential: CredentialConfig) -> object:
        return use_of(Config(credentials={credential.name: credential}), credential, "key")

    return {
        name: "free"
        if use(msgspec.structs.replace(before, **{name: value})) == use(before)
        else "bound"
        for name, value in others.items()
    }


def test_s1_only_settings_are_freed() -> None:
    """A name that is none would free nothing."""
    for provider, settings in SETTINGS.items():
        assert set(MEANING[provider].free) <= set(settings.__struct_fields__)
