"""Error codes, one by one."""

from __future__ import annotations

import pytest

from credward.errors import Kind, Recovery
from credward.providers.oauth.errors import refusal, shown_code

LOGIN, FIX = Kind.LOGIN_REQUIRED, Kind.FIX_CONFIGURATION
REFUSED, LIMITED = Kind.PROVIDER_REFUSED, Kind.RATE_LIMITED


@pytest.mark.parametrize(
    ("code", "grant_type", "kind", "sent"),
    [
        ("invalid_grant", "authorization_code", LOGIN, "no"),
        ("invalid_grant", "refresh_token", LOGIN, "no"),
        ("invalid_grant", "client_credentials", FIX, "no"),
        ("invalid_grant", "jwt_bearer", REFUSED, "no"),
        ("invalid_request", "token_exchange", REFUSED, "no"),
        ("invalid_request", "device_code", FIX, "no"),
        ("interaction_required", "authorization_code", LOGIN, "no"),
        ("consent_required", "authorization_code", LOGIN, "no"),
        ("invalid_client", "authorization_code", FIX, "no"),
        ("unauthorized_client", "authorization_code", FIX, "no"),
        ("invalid_scope", "authorization_code", FIX, "no"),
        ("invalid_target", "authorization_code", FIX, "no"),
        ("unsupported_grant_type", "authorization_code", FIX, "no"),
        ("temporarily_unavailable", "authorization_code", LIMITED, "no"),
        ("server_error", "authorization_code", Kind.PROVIDER_UNREACHABLE, "maybe"),
        ("invalid_dpop_proof", "authorization_code", REFUSED, "no"),
        ("access_denied", "client_credentials", REFUSED, "no"),
        ("something_else", "authorization_code", REFUSED, "no"),
    ],
)
def test_what_a_code_means(code, grant_type, kind, sent):
    """Whose turn it is, and that nothing was used up."""
    error = refusal(code, "gateway", "login.example.com", grant_type=grant_type)

    assert (error.kind, error.failure.sent) == (kind, sent)
    assert error.message.startswith('"gateway" ')
    assert ": " in error.message


def test_g4_a_wrong_secret_is_not_taken_for_a_wrong_grant_type():
    """G4: Keycloak says `unauthorized_client` to both, and 401 to a client that did not prove itself."""
    secret = refusal("unauthorized_client", "gateway", "login.example.com", status=401)
    grant = refusal("unauthorized_client", "gateway", "login.example.com", status=400)

    assert secret.message == (
        '"gateway" got no token, login.example.com answered unauthorized_client: '
        "correct client_id, or the client_secret, key or certificate that belongs to it"
    )
    assert grant.message.endswith("correct grant_type, or have the server allow it for this client")


def test_t9_an_invalid_grant_is_one_command():
    """Word for word: it is what people see in their harness."""
    error = refusal("invalid_grant", "gateway", "login.example.com")

    assert error.message == '"gateway" needs a login (invalid_grant): run credward login gateway'
    assert error.failure.recovery is Recovery.REAUTHORIZE


def test_a_grant_that_is_handed_over():
    """No login brings it."""
    failure = refusal("invalid_grant", "gateway", "h", grant_type="refresh_token")

    assert failure.message.endswith("run credward login gateway --grant-stdin")


def test_only_registered_codes_are_shown():
    """What a server writes is its own affair."""
    for code in ("SECRET", "invalid_grant\n", 5, None, ["invalid_grant"]):
        assert shown_code(code) is None
    failure = refusal("rm -rf SECRET", "gateway", "login.example.com")

    assert "SECRET" not in failure.message
    assert "an unknown error code" in failure.message
    assert shown_code("invalid_grant") == "invalid_grant"
