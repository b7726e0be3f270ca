"""When a printed token ends."""

from __future__ import annotations

import datetime as dt

import jwt
import pytest

from credward.errors import Kind
from credward.providers.expiry import ExpiryError, find_expiry, read_jwt_claims
from credward.settings.command import Settings
from fakes.io import NOW

AUTO = Settings(command=("mint",))
HOUR = Settings(command=("mint",), lifetime=3600)


@pytest.mark.parametrize(
    ("expiry", "expected"), [(None, 10), ("json", 10), ("jwt", 20), ("configured", 30)]
)
def test_settings_choose_the_source(expiry, expected):
    """Without a choice the JSON around the token speaks first."""
    settings = Settings(command=("mint",), lifetime=30, expiry=expiry)

    found = find_expiry({"expires_in": 10}, {"exp": NOW + 20}, settings, NOW)

    assert found == NOW + expected


def test_without_a_choice_the_first_that_knows_is_believed():
    """JSON, then the JWT, then the configuration."""
    assert find_expiry({}, {"exp": NOW + 20}, HOUR, NOW) == NOW + 20
    assert find_expiry({"expires_at": None}, {}, HOUR, NOW) == NOW + 3600


@pytest.mark.parametrize("settings", [AUTO, Settings(command=("m",), expiry="json", lifetime=5)])
def test_no_known_end_is_a_configuration_error_that_names_lifetime(settings):
    """Handing out a token of unknown life would break every promise about time."""
    with pytest.raises(ExpiryError, match="set lifetime") as caught:
        find_expiry({}, {}, settings, NOW)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


@pytest.mark.parametrize(
    "answer",
    [
        {"expires_at": NOW},
        {"expires_at": 0},
        {"expires_at": -5},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_in": 0},
        {"expires_in": -3600},
        {"expires_in": "-1"},
    ],
)
def test_t7_an_end_in_the_past_is_refused(answer):
    """A cached token of the program's own, most likely."""
    with pytest.raises(ExpiryError, match="expired already") as caught:
        find_expiry(answer, {}, HOUR, NOW)

    assert caught.value.kind is Kind.PROVIDER_REFUSED


@pytest.mark.parametrize(
    "answer",
    [{"expires_at": NOW * 1000}, {"expires_in": 10**12}, {"expires_at": "9999-01-01T00:00:00Z"}],
)
def test_t6_an_absurd_end_is_refused(answer):
    """Milliseconds taken for seconds."""
    with pytest.raises(ExpiryError, match="ten years") as caught:
        find_expiry(answer, {}, HOUR, NOW)

    assert caught.value.kind is Kind.PROVIDER_REFUSED


@pytest.mark.parametrize(
    "value",
    [True, [], {}, "soon", "", "2027-01-15T08:10:00", "1e400", 10**400, "nan", "99999-01-01", "²"],
)
def test_t6_what_is_no_time_is_refused_and_not_repeated(value):
    """Nor guessed: an instant without a zone would be one of 24."""
    with pytest.raises(ExpiryError, match="expires_at is neither") as caught:
        find_expiry({"expires_at": value}, {}, HOUR, NOW)

    assert str(value) == "" or str(value) not in str(caught.value)


@pytest.mark.parametrize(
    "value", ["1800000060", "1800000060.0", " 1800000060 ", "2027-01-15T08:01:00.123456789Z"]
)
def test_numbers_as_text_and_nanoseconds_are_times(value):
    """Programs quote their numbers, and Go prints nine digits."""
    assert find_expiry({"expires_at": value}, {}, AUTO, NOW) == pytest.approx(NOW + 60, abs=0.2)


def test_only_az_may_speak_local_time():
    """Its older versions print nothing else."""
    local = dt.datetime.fromtimestamp(NOW + 60).isoformat(sep=" ")

    assert find_expiry({"expiresOn": local}, {}, AUTO, NOW) == NOW + 60


def test_an_instant_too_far_for_this_machine_is_refused():
    """`timestamp()` of a local time near year 1 overflows on some."""
    with pytest.raises(ExpiryError):
        find_expiry({"expiresOn": "0001-01-01 00:00:00"}, {}, AUTO, NOW)


def test_claims_are_read_and_not_verified():
    """Whoever is sent the token verifies it."""
    token = jwt.encode({"exp": 5, "jti": "j"}, "k" * 32, algorithm="HS256")

    assert read_jwt_claims(token) == {"exp": 5, "jti": "j"}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b.c",
        "eyJ.b.c",
        "eyJhbGciOiJub25lIn0.e30",
        "eyJ..",
        "eyJhbGciOiJub25lIn0.W10.",
    ],
)
def test_what_is_no_jwt_has_no_claims(token):
    """And is no error: most tokens are opaque."""
    assert read_jwt_claims(token) == {}


@pytest.mark.parametrize("exp", ["x", None, True, [], 10**400])
def test_a_jwt_with_a_senseless_exp_is_refused(exp):
    """It would be refused everywhere else."""
    with pytest.raises(ExpiryError, match="exp is neither"):
        find_expiry({}, {"exp": exp}, HOUR, NOW)
