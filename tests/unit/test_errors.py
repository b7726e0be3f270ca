"""The closed table of kinds."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError, Kind, Recovery


def test_the_table_is_closed():
    """Scripts depend on these numbers: a change here is a change of the interface."""
    table = {kind.slug: (kind.status, kind.exit_code) for kind in Kind}

    assert table == {
        "bad-request": (400, 64),
        "login-required": (401, 67),
        "denied": (403, 77),
        "unknown-credential": (404, 78),
        "provider-refused": (502, 76),
        "provider-unreachable": (503, 75),
        "store-locked": (503, 75),
        "rate-limited": (429, 75),
        "timed-out": (504, 75),
        "approval-required": (403, 66),
        "fix-configuration": (500, 78),
        "recursion": (508, 78),
        "not-running": (0, 69),
        "already-running": (0, 73),
        "internal": (500, 70),
    }


@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.slug)
def test_a_slug_leads_back_to_its_kind(kind):
    """What is on the wire is understood by the other end."""
    assert Kind.from_slug(kind.slug) is kind


def test_an_unknown_slug_is_internal():
    """S11: a newer daemon may know more kinds than we do."""
    assert Kind.from_slug("of-the-future") is Kind.INTERNAL


@pytest.mark.parametrize(
    ("kind", "recovery"),
    [
        (Kind.LOGIN_REQUIRED, Recovery.REAUTHORIZE),
        (Kind.PROVIDER_UNREACHABLE, Recovery.RETRY),
        (Kind.TIMED_OUT, Recovery.RETRY),
        (Kind.FIX_CONFIGURATION, Recovery.FIX_CONFIGURATION),
        (Kind.DENIED, Recovery.FIX_CONFIGURATION),
    ],
)
def test_a_failure_says_what_would_clear_it(kind, recovery):
    """By its kind, unless it says otherwise itself."""
    assert BrokerError(kind, "no").recovery is recovery
    assert BrokerError(kind, "no", recovery=Recovery.RETRY).recovery is Recovery.RETRY


def test_a_failure_shows_kind_and_message():
    """In logs and tracebacks."""
    error = BrokerError(Kind.DENIED, '"deploy" denied')

    assert repr(error) == 'BrokerError(denied: "deploy" denied)'
    assert str(error) == '"deploy" denied'
