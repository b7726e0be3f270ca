"""What a token says about this machine's clock; it is asked for in tests/integration/test_doctor."""

import base64
import json
from typing import Any

import pytest

from credward.cli.doctor.token import clock_fault

NOW = 1_800_000_000.0


def jwt(payload: Any) -> bytes:
    """Return a JWT with this payload, as issuers write it: without padding."""
    parts = [base64.urlsafe_b64encode(json.dumps(each).encode()) for each in ({}, payload)]
    return b".".join([*(each.rstrip(b"=") for each in parts), b"signature"]) + b"\n"


@pytest.mark.parametrize(
    ("token", "behind"),
    [
        (jwt({"iat": NOW}), None),
        (jwt({"iat": NOW + 59}), None),
        (jwt({"iat": NOW - 5000, "nbf": NOW - 5000}), None),
        (jwt({"iat": NOW + 600}), "10m00s"),
        (jwt({"iat": NOW, "nbf": NOW + 7200.5}), "2h00m"),
        (jwt({"nbf": "tomorrow"}), None),
        (jwt(["iat"]), None),
        (jwt({}), None),
        (b"opaque", None),
        (b"a.b.c", None),
        (b"\xff.\xff.\xff", None),
        (b"a." + base64.urlsafe_b64encode(b"{\xff}") + b".c", None),
    ],
)
def test_a_token_from_the_future_shows_that_the_clock_is_behind(
    token: bytes, behind: str | None
) -> None:
    """By more than issuers allow; what is no JWT says nothing."""
    found = clock_fault(token, NOW)

    if behind is None:
        assert found is None
    else:
        assert found is not None
        assert found.startswith(f"is {behind} behind that of the token's issuer")
