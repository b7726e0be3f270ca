"""The closed table of error kinds."""

import pytest

from credward.errors import BrokerError, Kind, Recovery


def test_slugs_are_unique_and_codes_are_sysexits() -> None:
    """One word, one meaning; codes lie where shells do not use them."""
    assert len({kind.slug for kind in Kind}) == len(Kind)
    assert all(64 <= kind.exit_code <= 78 for kind in Kind)


def test_kinds_that_never_travel_have_no_status() -> None:
    """`not-running` and `already-running` are said by the client side only."""
    assert {kind for kind in Kind if kind.status == 0} == {Kind.NOT_RUNNING, Kind.ALREADY_RUNNING}


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)
def test_each_kind_is_found_by_its_slug_and_has_a_recovery(kind: Kind) -> None:
    """There and back; what clears it is never left open."""
    assert Kind.from_slug(kind.slug) is kind
    assert BrokerError(kind, "x").recovery in Recovery


def test_an_unknown_slug_of_a_newer_daemon_is_internal() -> None:
    """Unknown words do not break an old client."""
    assert Kind.from_slug("quantum") is Kind.INTERNAL


def test_a_login_is_what_clears_login_required() -> None:
    """The recovery of a kind can be overridden where the provider knows better."""
    assert BrokerError(Kind.LOGIN_REQUIRED, "x").recovery is Recovery.REAUTHORIZE
    refused = BrokerError(Kind.PROVIDER_REFUSED, "x", recovery=Recovery.FIX_CONFIGURATION)

    assert refused.recovery is Recovery.FIX_CONFIGURATION
    assert repr(refused) == "BrokerError(provider-refused: x)"
