"""Makes msal's client applications: where they ask, and how an application proves itself.

What is asked for with them is the job of `provider` and `login`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.entra.http import MsalHttp, call_msal
from credward.providers.provider import HttpRequest, Io, ProviderRequest
from credward.providers.references import read_secret
from credward.providers.retry_after import read_retry_after
from credward.settings.entra import Settings

__all__ = ["load_msal", "make_client"]

# learn.microsoft.com, "Workload identity federation", the audience of each cloud.
_FEDERATED_AUDIENCES = {
    "public": "api://AzureADTokenExchange",
    "usgov": "api://AzureADTokenExchangeUSGov",
    "china": "api://AzureADTokenExchangeChina",
}
_GITHUB_URL, _GITHUB_TOKEN = "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"


def load_msal() -> Any:
    """Import msal, which takes 30 ms and 17 MB: only where Entra ID is asked directly."""
    import msal  # type: ignore[import-untyped]  # noqa: PLC0415

    # It would log answers that it cannot read, tokens included.
    logging.getLogger("msal").setLevel(logging.CRITICAL + 1)
    return msal


def make_client(token_request: ProviderRequest, http: MsalHttp, io: Io) -> Any:
    """Return msal's client (it has no types), confidential if the settings hold a proof.

    The proof is read again, and the authority is asked for its endpoints.
    """
    settings = token_request.settings
    assert isinstance(settings, Settings)
    msal = load_msal()
    where = {
        "authority": settings.authority_url,
        # Else a host unknown to msal would first be asked about at login.microsoftonline.com.
        "instance_discovery": False,
        "http_client": http,
    }
    if not settings.proves:
        return call_msal(
            http,
            token_request.credential,
            lambda: msal.PublicClientApplication(settings.client_id, **where),
        )
    proof = _read_proof(token_request, settings, io)
    return call_msal(
        http,
        token_request.credential,
        lambda: msal.ConfidentialClientApplication(
            settings.client_id, client_credential=proof, **where
        ),
    )


def _read_proof(token_request: ProviderRequest, settings: Settings, io: Io) -> Any:
    """Return msal's `client_credential`."""
    if settings.client_secret is not None:
        return read_secret(token_request, "client_secret", io).reveal()
    if settings.client_certificate is not None:
        text = read_secret(token_request, "client_certificate", io).reveal()
        return _read_certificate(text, token_request.credential, io.now())
    if settings.client_assertion is not None:
        assertion = read_secret(token_request, "client_assertion", io).reveal().strip()
    else:
        assertion = _ask_github(token_request.credential, settings, io)
    # A callable: msal warns of texts, which would not last in a cache such as its own.
    give: Callable[[], str] = lambda: assertion  # noqa: E731
    return {"client_assertion": give}


def _read_certificate(text: str, credential: str, now: float) -> dict[str, str]:
    """Return key and certificate; msal derives the thumbprint (RFC 7515 section 4.1.8) from it."""
    from cryptography import x509  # noqa: PLC0415 - 10 MB
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )

    problem = "holds no certificate of its key: put both into one PEM file"
    try:
        key = load_pem_private_key(text.encode(), password=None)
        certificates = x509.load_pem_x509_certificates(text.encode())
    except TypeError:
        problem = "has an encrypted key: take its passphrase off and close the file to others"
        certificates = []
    except ValueError:
        problem = "is not a PEM file of a private key and its certificate: put both into it"
        certificates = []
    # Failures are raised out here: the parsers' own exceptions may quote what they were given.
    for certificate in certificates:
        if not isinstance(key, RSAPrivateKey):
            problem = "has no RSA key, the only kind that Entra ID takes: make a new one"
            break
        if certificate.public_key() != key.public_key():
            continue
        ends_at = certificate.not_valid_after_utc
        if ends_at <= datetime.fromtimestamp(now, UTC):
            problem = f"expired on {ends_at:%Y-%m-%d}: make a new one and upload it"
            break
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {
            "private_key": private.decode(),
            "public_certificate": certificate.public_bytes(Encoding.PEM).decode(),
        }
    raise BrokerError(
        Kind.FIX_CONFIGURATION, f'"{credential}" got no token, client_certificate {problem}'
    )


def _ask_github(credential: str, settings: Settings, io: Io) -> str:
    """Return the OIDC token of this job (docs.github.com, "OpenID Connect", methods of request)."""
    environ = io.environment()
    url, bearer = environ.get(_GITHUB_URL), environ.get(_GITHUB_TOKEN)
    if not url or not bearer:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" got no token, {_GITHUB_URL} is not set: start credward in a job with '
            "permissions id-token: write",
        )
    audience = _FEDERATED_AUDIENCES[settings.cloud]
    response = io.send(
        HttpRequest(
            method="GET",
            url=f"{url}{'&' if '?' in url else '?'}audience={audience}",
            headers={"Authorization": f"Bearer {bearer}", "Accept": "application/json"},
            timeout=settings.timeout,
        )
    )
    try:
        answer = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    value = answer.get("value") if isinstance(answer, dict) else None
    if response.status == 200 and isinstance(value, str) and value:
        return value
    kind = Kind.PROVIDER_UNREACHABLE if response.status >= 500 else Kind.PROVIDER_REFUSED
    raise BrokerError(
        Kind.RATE_LIMITED if response.status == 429 else kind,
        f'"{credential}" got no token, GitHub gave this job no assertion '
        f"(HTTP {response.status}): check that the job is still running",
        retry_after=read_retry_after(response.headers, io.now()),
    )
