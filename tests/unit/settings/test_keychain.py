"""What the keychain's worker is told."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.keychain import Settings


def test_reads_by_default():
    """Making an item is asked for."""
    assert not msgspec.convert({"service": "credward", "account": "store-key"}, Settings).create


@pytest.mark.parametrize(
    "words",
    [
        {"service": "credward"},
        {"service": "", "account": "a"},
        {"service": "s", "account": "a" * 256},
        {"service": "s", "account": "a", "password": "p"},
    ],
)
def test_refuses_what_names_no_item(words):
    """Both words, neither empty, nothing else."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(words, Settings)
