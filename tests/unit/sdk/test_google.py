"""Credentials of google-auth that have their token from the daemon."""

from __future__ import annotations

from datetime import datetime

import pytest
from google.auth.exceptions import RefreshError

import credward
from credward.errors import BrokerError


def test_it_is_renewed_to_a_time_without_a_zone(serve) -> None:
    """google-auth compares with such ones. It begins 3 min 45 s before the end, so more is asked for."""
    daemon = serve(expires_at=4_000_000_000)
    credentials = credward.google_credentials("gateway")
    assert not credentials.valid
    credentials.refresh(None)

    assert (credentials.token, credentials.valid) == ("opaque-1", True)
    assert credentials.expiry == datetime(2096, 10, 2, 7, 6, 40)
    assert "min_remaining=285.000" in daemon.asked[-1]


def test_to_renew_is_no_report(serve) -> None:
    """Whoever only wants a token renews as well as a session that got a 401."""
    daemon = serve(expires_at=4_000_000_000)
    credentials = credward.google_credentials("gateway")
    for _ in range(3):
        credentials.refresh(None)

    assert [each for each in daemon.asked if "not=" in each] == []


def test_an_error_is_one_of_google_auth_with_our_line(home) -> None:
    """It says whether to try again helps."""
    with pytest.raises(RefreshError, match="unset CREDWARD_NO_START") as caught:
        credward.google_credentials("gateway").refresh(None)
    assert isinstance(caught.value.__cause__, BrokerError)
    assert caught.value.retryable


def test_what_cannot_be_cured_by_waiting_is_not_tried_again(serve) -> None:
    """Such as keys of AWS."""
    serve(kind="aws", token="{}")
    with pytest.raises(RefreshError, match="AWS keys") as caught:
        credward.google_credentials("gateway").refresh(None)
    assert not caught.value.retryable


def test_it_shows_its_name_alone(serve) -> None:
    """With a token in it."""
    serve(token="opaque-hidden", expires_at=4_000_000_000)
    credentials = credward.google_credentials("gateway")
    credentials.refresh(None)

    assert repr(credentials) == "<credward.google_credentials('gateway')>"
