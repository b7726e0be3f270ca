"""What refusals of Entra ID mean."""

from __future__ import annotations

import pytest

from canaries import MARK, canary
from credward.errors import Kind
from credward.providers.entra.codes import ERRORS, MEANINGS
from credward.providers.entra.errors import Asker, explain, read_refusal
from fakes.entra_server import refusal

USER = Asker(
    credential="gateway",
    tenant="contoso.com",
    client_id="app-1",
    login="run credward login gateway",
)
APPLICATION = Asker(credential="gateway", tenant="contoso.com", client_id="app-1")


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        (70043, Kind.LOGIN_REQUIRED, "sign-in frequency"),
        (700082, Kind.LOGIN_REQUIRED, "not used for too long"),
        (50173, Kind.LOGIN_REQUIRED, "password changed"),
        (50076, Kind.LOGIN_REQUIRED, "second factor"),
        (50079, Kind.LOGIN_REQUIRED, "set it up there"),
        (50126, Kind.LOGIN_REQUIRED, "password is wrong"),
        (50020, Kind.LOGIN_REQUIRED, "with an account of contoso.com"),
        (65001, Kind.LOGIN_REQUIRED, "grant it to app-1"),
        (53003, Kind.PROVIDER_REFUSED, "conditional access"),
        (7000215, Kind.FIX_CONFIGURATION, "store its value, not its id"),
        (7000222, Kind.FIX_CONFIGURATION, "has expired"),
        (7000218, Kind.FIX_CONFIGURATION, "public client flows"),
        (700016, Kind.FIX_CONFIGURATION, "correct client_id or tenant"),
        (700024, Kind.FIX_CONFIGURATION, "check the clock"),
        (70021, Kind.FIX_CONFIGURATION, "issuer, subject and audience"),
        (700213, Kind.FIX_CONFIGURATION, "issuer, subject and audience"),
        (90002, Kind.FIX_CONFIGURATION, "correct tenant"),
        (500011, Kind.FIX_CONFIGURATION, "correct scope"),
        (70011, Kind.FIX_CONFIGURATION, "correct scope"),
        (900561, Kind.FIX_CONFIGURATION, "check authority"),
        (50011, Kind.FIX_CONFIGURATION, "http://localhost"),
        (90033, Kind.PROVIDER_UNREACHABLE, "by itself"),
        (90055, Kind.RATE_LIMITED, "by itself"),
    ],
)
def test_each_class_has_one_action(code, kind, says):
    """Kind, code, cause and what to do, in one line."""
    error = read_refusal(refusal(code, "whatever"), USER)

    assert error.kind is kind
    assert f"AADSTS{code}" in error.message
    assert says in error.message
    assert error.failure.sent == ("maybe" if kind is Kind.PROVIDER_UNREACHABLE else "no")


@pytest.mark.parametrize("code", sorted(MEANINGS))
@pytest.mark.parametrize("asker", [USER, APPLICATION])
def test_every_line_is_well_formed(code, asker):
    """Subject first, cause, action; no blank left to fill in, nothing of the answer."""
    error = read_refusal(refusal(code), asker)

    assert error.message.startswith('"gateway" ')
    assert error.message.count(": ") == 1
    assert error.message.rpartition(": ")[2].strip()
    assert not error.message.endswith(".")
    assert "{" not in error.message
    assert "\n" not in error.message
    assert MARK not in error.message + error.failure.hint
    if asker is APPLICATION:
        assert error.kind is not Kind.LOGIN_REQUIRED
        assert "credward login" not in error.message


@pytest.mark.parametrize("error", sorted(ERRORS))
def test_without_a_code_the_error_decides(error):
    """As OAuth has it."""
    failure = read_refusal({"error": error}, USER)

    assert failure.kind is ERRORS[error].kind
    assert "AADSTS" not in failure.message


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"error": "new_error"},
        {"error": 7},
        {"error": None, "error_codes": "x", "error_description": 3},
        {"error_codes": [True, -1, 10**12, "5"]},
    ],
)
def test_an_unknown_refusal_is_tried_again(answer):
    """It may be gone tomorrow; nobody is sent to log in for it."""
    assert read_refusal(answer, USER).kind is Kind.PROVIDER_REFUSED


def test_an_unknown_code_is_named():
    """For whoever looks it up; the error decides on the kind."""
    failure = read_refusal(refusal(12345678), USER)

    assert failure.kind is Kind.LOGIN_REQUIRED
    assert "AADSTS12345678" in failure.message


def test_of_several_codes_the_known_one_counts():
    """Lists begin or end in general ones."""
    answer = {"error": "x", "error_codes": [99999, 50076]}

    assert "AADSTS50076" in read_refusal(answer, USER).message


def test_the_code_in_the_text_counts_too():
    """Other clouds' servers leave the list out."""
    answer = {"error": "invalid_grant", "error_description": "AADSTS700082: x"}

    assert "AADSTS700082" in read_refusal(answer, USER).message


@pytest.mark.parametrize(
    ("claims", "kept"),
    [
        ('{"access_token": {"a": {"essential": true}}}', True),
        ("[]", False),
        ("{", False),
        ('{"a": "' + "x" * 3000 + '"}', False),
        (7, False),
    ],
)
def test_claims_are_for_the_next_login(claims, kept):
    """Only where they are what they should be."""
    assert bool(read_refusal(refusal(50076, claims=claims), USER).failure.challenge) is kept


def test_correlation_ids_are_checked():
    """Text of another form stays out."""
    assert "correlation" not in read_refusal({"correlation_id": canary("x")}, USER).failure.hint
    assert "0b0b0b0b" in read_refusal(refusal(50076), USER).failure.hint


def test_text_without_a_code_we_know_explains_nothing():
    """The caller goes on looking."""
    assert explain("nothing", USER) is None
    assert explain("AADSTS999999", USER) is None
    assert explain("x AADSTS50057: y", USER) is not None
