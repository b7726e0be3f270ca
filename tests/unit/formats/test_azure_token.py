"""A token as the managed-identity endpoints of Azure answer it."""

from __future__ import annotations

import json

import pytest

from credward.formats.azure_token import azure_answer
from credward.tokens import Secret, Token

NOW = 1_800_000_000.0


@pytest.mark.parametrize(("ends", "lasts"), [(NOW + 600, 600), (None, 3600)])
def test_times_are_texts(ends: float | None, lasts: int) -> None:
    """Seconds since 1970, as the service writes them."""
    token = Token(secret=Secret("eyJ.x"), issued_at=NOW, expires_at=ends)
    assert json.loads(azure_answer(token, "a", "https://vault.azure.net", NOW)) == {
        "access_token": "eyJ.x",
        "expires_on": str(int(NOW) + lasts),
        "expires_in": str(lasts),
        "not_before": str(int(NOW)),
        "resource": "https://vault.azure.net",
        "token_type": "Bearer",
    }
