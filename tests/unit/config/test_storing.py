"""What the keys of `[store]` mean together."""

from __future__ import annotations

from pathlib import Path

import pytest

from credward.config.sections import StoreSection
from credward.config.storing import contradictions, store_config

HOME = Path("/home/me/.config/credward")


def test_without_a_word_it_is_the_keychain_or_the_file_beside_the_configuration():
    """Which of the two, the daemon finds out."""
    config = store_config(StoreSection(), config_dir=HOME)

    assert config.key is None
    assert config.key_file == HOME / "store.key"
    assert not config.shared
    assert config.lock_after is None


def test_a_named_key_file_is_the_source(monkeypatch):
    """One key says it all."""
    monkeypatch.setenv("HOME", "/home/me")

    config = store_config(StoreSection(key_file="~/usb/store.key"), config_dir=HOME)

    assert (config.key, config.key_file) == ("key_file", Path("/home/me/usb/store.key"))


@pytest.mark.parametrize(
    ("section", "keys"),
    [
        (StoreSection(), []),
        (StoreSection(key="key_file", key_file="/k"), []),
        (StoreSection(key_file="~/k"), []),
        (StoreSection(key_file="k"), ["key_file"]),
        (StoreSection(key="keychain", key_file="/k"), ["key_file"]),
        (StoreSection(key="passphrase", lock_after=60), []),
        (StoreSection(key="keychain", lock_after=60), ["lock_after"]),
        (
            StoreSection(key="memory", key_file="k", lock_after=60),
            ["key_file"] * 2 + ["lock_after"],
        ),
    ],
)
def test_contradictions_are_named_by_key(section, keys):
    """Each with what to write."""
    found = list(contradictions(section))

    assert [key for key, _ in found] == keys
    assert all(f"store.{key}" in text for key, text in found)
