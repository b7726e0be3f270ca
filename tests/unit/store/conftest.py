"""Stores whose passphrases are stretched in a millisecond."""

from __future__ import annotations

import os

import pytest

from credward.store import store as store_module
from credward.store.passphrases import Argon2idTerms


@pytest.fixture
def quick_passphrases(monkeypatch):
    """Stretch new passphrases as little as the bounds allow."""
    monkeypatch.setattr(
        store_module,
        "new_terms",
        lambda: Argon2idTerms(salt=os.urandom(16), memory=64, passes=1, lanes=1),
    )
