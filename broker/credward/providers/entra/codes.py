"""The table of AADSTS codes: what each class of refusals means, and the one action that helps.

Words and kinds only; `errors` finds the code and writes the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from credward.errors import Kind

__all__ = ["ERRORS", "MEANINGS", "OF_APPLICATIONS", "UNKNOWN", "Meaning"]


class Meaning(NamedTuple):
    """A kind, its cause in a few words, and the action; `{login}` is the command of a login.

    An empty remedy of `login-required` is the login alone.
    """

    kind: Kind
    cause: str
    remedy: str = ""


_LOGIN, _FIX = Kind.LOGIN_REQUIRED, Kind.FIX_CONFIGURATION
_REFUSED, _DOWN = Kind.PROVIDER_REFUSED, Kind.PROVIDER_UNREACHABLE
_WAIT = "retrying by itself"

# learn.microsoft.com, "Microsoft Entra authentication and authorization error codes".
_CLASSES: Mapping[tuple[int, ...], Meaning] = {
    # --- a human signs in again
    (70043,): Meaning(_LOGIN, "sign-in frequency of conditional access"),
    (700082, 70008): Meaning(_LOGIN, "not used for too long"),
    (700084,): Meaning(_LOGIN, "a single page application's login ends after 24 hours"),
    (50173, 50132, 50133, 50140): Meaning(_LOGIN, "password changed or login revoked"),
    (50076, 50074, 50078): Meaning(_LOGIN, "a second factor is required"),
    (50079, 50072): Meaning(
        _LOGIN, "a second factor has to be set up", "{login} and set it up there"
    ),
    (50055, 50144): Meaning(_LOGIN, "the password has expired", "{login} and change it there"),
    (50126, 50056): Meaning(_LOGIN, "user name or password is wrong"),
    (50158, 50085, 50058, 50089, 16000, 16001): Meaning(_LOGIN, "the session has ended"),
    (70000, 54005, 9002313): Meaning(_LOGIN, "the login is not valid any more"),
    (50097, 50127, 50129, 53000, 53001): Meaning(
        _LOGIN, "a managed device is required", "{login} on a device that is compliant"
    ),
    (50034, 51004, 50020, 90072): Meaning(
        _LOGIN,
        "the account is not in the tenant",
        "{login} with an account of {tenant}, or have it invited",
    ),
    (50057,): Meaning(
        _LOGIN, "the account is disabled", "have an administrator enable it, then {login}"
    ),
    (500341,): Meaning(_LOGIN, "the account has been deleted", "{login} with another account"),
    (50053,): Meaning(_LOGIN, "the account is locked", "have it unlocked, then {login}"),
    (53011,): Meaning(
        _LOGIN,
        "the account is blocked as risky",
        "have an administrator clear the risk, then {login}",
    ),
    (500121,): Meaning(_LOGIN, "the second factor was not given"),
    (65001,): Meaning(
        _LOGIN,
        "consent to this scope is missing",
        "{login} and consent, or have an administrator grant it to {client}",
    ),
    (65004,): Meaning(_LOGIN, "consent was declined", "{login} and accept"),
    (70018, 70019, 70020): Meaning(_LOGIN, "the code has expired or is invalid"),
    # --- policy of the tenant: clears by itself when the circumstances change
    (53003, 530031, 530034, 530035, 53002, 53004, 50131): Meaning(
        _REFUSED,
        "conditional access blocks this device, network or application",
        "connect as the tenant's policy asks, or ask its administrator",
    ),
    (500021, 500022): Meaning(
        _REFUSED,
        "tenant restrictions of this network block the tenant",
        "use another network, or ask its administrator",
    ),
    # --- the application and its permissions
    (90094, 90093, 900941): Meaning(
        _FIX,
        "an administrator's consent is missing",
        "have an administrator grant {client} consent",
    ),
    (50105,): Meaning(
        _FIX,
        "the account is not assigned to the application",
        "have an administrator assign it to {client}",
    ),
    (700016,): Meaning(_FIX, "the application is not in the tenant", "correct client_id or tenant"),
    (70001, 7000112, 7000229): Meaning(
        _FIX,
        "the application is disabled or has no service principal in the tenant",
        "have an administrator of {tenant} enable {client}",
    ),
    (700005, 700051): Meaning(
        _FIX,
        "the application does not allow this kind of sign-in",
        "correct the registration of {client}",
    ),
    (7000218,): Meaning(
        _FIX,
        "the application is not registered as a public client",
        'allow public client flows there, or set client_secret and flow = "browser"',
    ),
    (50011, 500113, 900971): Meaning(
        _FIX,
        "the redirect address is not registered",
        "add http://localhost as a mobile and desktop address to {client}",
    ),
    (50194, 9001023, 50059, 90019): Meaning(
        _FIX, "the application belongs to one tenant", "set tenant to its id"
    ),
    (650056, 650057): Meaning(
        _FIX,
        "the application has no permission for this scope",
        "add it in the registration of {client}",
    ),
    # --- its proof
    (7000215, 70002): Meaning(
        _FIX, "the client secret is wrong", "store its value, not its id, for client_secret"
    ),
    (7000222,): Meaning(
        _FIX,
        "the client secret has expired",
        "make a new one for {client} and store it for client_secret",
    ),
    (7000216,): Meaning(
        _FIX,
        "the application has no credential",
        "set client_secret, client_certificate, client_assertion or federated",
    ),
    (700027, 700030): Meaning(
        _FIX,
        "the certificate is not one of the application",
        "upload it to {client}, or correct client_certificate",
    ),
    (700024,): Meaning(
        _FIX,
        "the assertion is not valid at this time",
        "check the clock, and how old client_assertion is",
    ),
    (700021, 700023): Meaning(
        _FIX,
        "the assertion is for another application or audience",
        "correct client_id, or the audience of client_assertion",
    ),
    (70021, 700211, 700212, 700213, 7000212): Meaning(
        _FIX,
        "no federated credential matches the assertion",
        "give {client} one with exactly its issuer, subject and audience",
    ),
    (5000811, 50027): Meaning(
        _FIX, "the assertion's signature is not accepted", "check what makes client_assertion"
    ),
    # --- on behalf of a user
    (50013, 500133): Meaning(
        _REFUSED, "the user's token is not valid any more", "renew what on_behalf_of points at"
    ),
    (500131,): Meaning(
        _FIX, "the user's token is for another audience", "get one for {client} for on_behalf_of"
    ),
    # --- tenant and resource
    (90002, 900021, 900023): Meaning(
        _FIX, "the tenant does not exist", "correct tenant, or cloud where it is a national one"
    ),
    (900382, 900432, 90051): Meaning(
        _FIX, "the tenant belongs to another cloud", "set cloud or authority"
    ),
    (500011, 50001, 500014, 650052): Meaning(
        _FIX,
        "the audience is not known in the tenant",
        "correct scope, or have an administrator add that application",
    ),
    (70011, 28002, 28003, 1002012, 650053): Meaning(
        _FIX, "the scope does not exist", "correct scope, such as api://APPLICATION/.default"
    ),
    (900144, 90013, 90014, 90023, 900561): Meaning(
        _FIX,
        "the request was not understood",
        "check authority, and network.proxy for something that changes requests",
    ),
    # --- time heals it
    (50000, 90006, 90024, 90033, 80001, 80002, 80005, 80007): Meaning(
        _DOWN, "an error in the directory", _WAIT
    ),
    (50196, 90055): Meaning(Kind.RATE_LIMITED, "too many requests", _WAIT),
}
MEANINGS: Mapping[int, Meaning] = {
    code: meaning for codes, meaning in _CLASSES.items() for code in codes
}

# Where no login of ours stands behind the credential: an application, or a user's token from
# elsewhere.
OF_APPLICATIONS: Mapping[int, Meaning] = {
    65001: Meaning(
        _FIX,
        "consent to this scope is missing",
        "have an administrator grant {client} consent",
    ),
}

# RFC 6749 section 5.2, RFC 8628 section 3.5, OpenID Connect Core 1.0 section 3.1.2.6: for refusals
# whose code is not in the table.
ERRORS: Mapping[str, Meaning] = {
    "invalid_grant": Meaning(_LOGIN, "the login is not valid any more"),
    "interaction_required": Meaning(_LOGIN, "the tenant requires more than the old login"),
    "login_required": Meaning(_LOGIN, "the session has ended"),
    "consent_required": Meaning(_LOGIN, "consent is required", "{login} and consent"),
    "expired_token": Meaning(_LOGIN, "the code has expired"),
    "code_expired": Meaning(_LOGIN, "the code has expired"),
    "bad_verification_code": Meaning(_LOGIN, "the code is invalid"),
    "authorization_declined": Meaning(_LOGIN, "the login was declined"),
    "access_denied": Meaning(_LOGIN, "the login was declined"),
    "invalid_client": Meaning(
        _FIX,
        "the application's credential is refused",
        "correct client_id and client_secret, client_certificate or client_assertion",
    ),
    "unauthorized_client": Meaning(
        _FIX,
        "the application may not ask this way",
        "correct the registration of {client}",
    ),
    "invalid_scope": Meaning(_FIX, "the scope does not exist", "correct scope"),
    "invalid_resource": Meaning(_FIX, "the audience is not known in the tenant", "correct scope"),
    "invalid_tenant": Meaning(_FIX, "the tenant does not exist", "correct tenant or cloud"),
    "invalid_request": Meaning(
        _FIX, "the request was not understood", "check the settings of this credential"
    ),
    "unsupported_grant_type": Meaning(
        _FIX, "the authority does not know this way", "correct authority"
    ),
    "temporarily_unavailable": Meaning(_DOWN, "the directory is unavailable", _WAIT),
    "server_error": Meaning(_DOWN, "an error in the directory", _WAIT),
}
UNKNOWN = Meaning(
    _REFUSED, "an unknown error code", "look the code up at login.microsoftonline.com/error"
)
