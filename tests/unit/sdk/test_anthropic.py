"""What the SDK of Anthropic takes as `credentials`."""

from __future__ import annotations

import anthropic
import pytest

import credward
from credward.errors import BrokerError


def test_the_token_has_its_end(serve) -> None:
    """By which the SDK asks again."""
    daemon = serve()
    token = credward.credentials("gateway")()

    assert (token.token, token.expires_at) == ("opaque-1", 1_800_003_600)
    assert "min_remaining=180.000" in daemon.asked[-1]


def test_a_refused_token_is_reported_by_its_id(serve) -> None:
    """The first time there is none to report."""
    daemon = serve()
    credentials = credward.credentials("gateway")
    for _ in range(2):
        credentials(force_refresh=True)
    asked = [each for each in daemon.asked if "/json?" in each]

    assert ["not=" in each for each in asked] == [False, True]
    assert "not=0123456789abcdef" in asked[-1]


def test_a_client_says_where_it_sends_it(serve) -> None:
    """Each client of the same credentials for itself."""
    daemon = serve()
    credentials = credward.credentials("gateway")
    for host in ("one", "two"):
        with anthropic.Anthropic(credentials=credentials, base_url=f"https://{host}") as client:
            client.credentials()  # type: ignore[misc]
    asked = [each for each in daemon.asked if "/json?" in each]

    assert [
        f"client_base_url=https%3A%2F%2F{host}" in each
        for host, each in zip(("one", "two"), asked, strict=True)
    ] == [True, True]


def test_an_error_is_one_of_the_sdk_with_our_line(home) -> None:
    """Which does not try again."""
    with pytest.raises(anthropic.CredentialsError, match="unset CREDWARD_NO_START") as caught:
        credward.credentials("gateway")()
    assert isinstance(caught.value.__cause__, BrokerError)


def test_it_shows_its_name_alone(serve) -> None:
    """The SDK's token shows its last four characters; ours shows nothing."""
    serve(token="opaque-hidden")
    credentials = credward.credentials("gateway")
    credentials()

    assert repr(credentials) == "<credward.credentials('gateway')>"
