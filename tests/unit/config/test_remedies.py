"""What to do about a key that is refused, by where it lies."""

from __future__ import annotations

import msgspec
import pytest

from credward.config import CredentialConfig
from credward.config.remedies import remedy_for
from credward.settings.registry import settings_of


def remedy(provider: str, **words: object) -> str:
    settings = msgspec.convert(words, settings_of(provider))
    return remedy_for(
        CredentialConfig(name="work", provider=provider, settings=settings, epoch="e", grant="g")
    )


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ({"store": "work-key"}, "run credward secret set work-key"),
        ({"file": "/run/key"}, "put another one into /run/key"),
        ({"env": "KEY"}, "set KEY to another one, then restart credward serve"),
        (
            {"command": ["/bin/op", "read", "x"]},
            "replace it (program /bin/op), then run credward get --fresh work",
        ),
    ],
)
def test_a_stored_key_is_replaced_where_it_lies(reference: dict[str, object], said: str) -> None:
    """The secret by its own name, which need not be that of the credential."""
    assert remedy("static", secret=reference) == said


def test_what_another_program_or_server_keeps_is_checked_there() -> None:
    """Then it is minted anew."""
    vault = {"address": "https://vault.example.com", "path": "secret/llm", "token": {"env": "T"}}

    assert remedy("command", command=["/bin/tok"]) == (
        "check what /bin/tok prints, and its login or key, then run credward get --fresh work"
    )
    assert remedy("vault", **vault) == (
        "check the secret at secret/llm of the server, then run credward get --fresh work"
    )


def test_a_minted_token_has_no_key_to_replace() -> None:
    """Whoever says it says what else may be wrong."""
    issuer = {"issuer": "https://idp.example.com", "client_id": "c", "scope": "openid"}

    assert remedy("oauth", **issuer) == ""
