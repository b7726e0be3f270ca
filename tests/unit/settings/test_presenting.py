"""Whether what is presented counts once."""

from __future__ import annotations

from credward.settings import anthropic, static
from credward.settings.presenting import presents_once
from credward.settings.references import Reference

KEY = Reference(store="key")


def test_a_jwt_of_a_federation_counts_once() -> None:
    """A key does not, and what says nothing about it does not."""
    federated = anthropic.Settings(
        federation_rule_id="fdrl_x",
        organization_id="00000000-0000-0000-0000-000000000000",
        identity=KEY,
    )

    assert presents_once(federated)
    assert not presents_once(anthropic.Settings(api_key=KEY))
    assert not presents_once(static.Settings(secret=KEY))
