"""What granted answers hold."""

from __future__ import annotations

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.entra.answers import read_claims, read_number, read_token
from fakes.entra_server import unsigned
from fakes.io import NOW


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ({"access_token": "opaque", "expires_in": 60}, NOW + 60),
        ({"access_token": "opaque", "expires_in": "60"}, NOW + 60),
        ({"access_token": "opaque", "expires_in": 60, "expires_on": str(int(NOW) + 90)}, NOW + 90),
        ({"access_token": unsigned({"exp": NOW + 5})}, NOW + 5),
    ],
)
def test_the_end_is_told_by_the_answer(answer, end):
    """An instant before a duration, a duration before the token's own word."""
    assert read_token(answer, "gateway", now=NOW).expires_at == end


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": ""},
        {"access_token": "tök", "expires_in": 60},
        {"access_token": "a b", "expires_in": 60},
        {"access_token": "x" * 20_000, "expires_in": 60},
        {"access_token": "x"},
        {"access_token": "x", "expires_in": True},
        {"access_token": "x", "expires_in": "soon"},
        {"access_token": "x", "expires_in": float("inf")},
        {"access_token": "x", "expires_on": NOW},
        {"access_token": "x", "expires_in": 10**10},
    ],
)
def test_t7_what_is_no_living_token_is_refused(answer):
    """No end, a past one, an absurd one, no token."""
    with pytest.raises(BrokerError) as caught:
        read_token(answer, "gateway", now=NOW)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"uti": "abc_-9"}, "abc_-9"),
        ({}, None),
        ({"uti": ""}, None),
        ({"uti": 7}, None),
        ({"uti": "ü"}, None),
        ({"uti": "a\nb"}, None),
        ({"uti": "x" * 200}, None),
    ],
)
def test_the_log_id_is_uti(claims, name):
    """Where it can be written into a log line."""
    answer = {"access_token": unsigned(claims), "expires_in": 9}

    assert read_token(answer, "gateway", now=NOW).upstream_id == name


@pytest.mark.parametrize("text", ["", "a.b", "a.!.c", "a.W10.c", "a.eyJ.c", "opaque"])
def test_what_is_no_jwt_has_no_claims(text):
    """Tokens are opaque, and may be anything."""
    assert read_claims(text) == {}


@pytest.mark.parametrize("value", [None, True, "", "x", "nan", [], float("inf")])
def test_what_is_no_number(value):
    """Nor what Python would take for one."""
    assert read_number(value) is None
