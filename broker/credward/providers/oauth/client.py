"""Requests of one client to its authorization server: proves who it is, and that it holds a key.

Builds bodies with oauthlib, which never sends; what an answer means is read by `answers`.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote_plus, urlencode, urlsplit

from oauthlib.oauth2.rfc6749.parameters import prepare_token_request

from credward.providers.oauth.answers import read_answer, read_error_code
from credward.providers.oauth.assertions import sign_assertion
from credward.providers.oauth.dpop import ProofKey
from credward.providers.oauth.server import AuthorizationServer
from credward.providers.oauth.words import resource_of
from credward.providers.provider import HttpRequest, HttpResponse, Io, ProviderRequest, nothing_sent
from credward.providers.references import read_secret
from credward.settings.oauth import Settings

__all__ = ["OAuthClient"]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class OAuthClient:
    """The client of one mint, login or revocation."""

    def __init__(
        self,
        token_request: ProviderRequest,
        io: Io,
        server: AuthorizationServer,
        *,
        key: ProofKey | None = None,
    ) -> None:
        settings = token_request.settings
        assert isinstance(settings, Settings)
        self._token_request = token_request
        self._settings = settings
        self._io = io
        self._server = server
        self._key = key

    def ask(self, grant_type: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """Send a token request (RFC 6749 section 4) and return the object of its answer."""
        return self.read(self.send("token_endpoint", fields, grant_type=grant_type))

    def read(self, response: HttpResponse, endpoint: str = "token_endpoint") -> dict[str, Any]:
        """Return the object of an answer that *endpoint* gave, or raise what else it is."""
        return read_answer(
            response,
            self._token_request.credential,
            urlsplit(self._url(endpoint)).hostname or "",
            now=self._io.now(),
            grant_type=self._settings.grant_type,
        )

    def send(
        self, endpoint: str, fields: Mapping[str, str], *, grant_type: str | None = None
    ) -> HttpResponse:
        """Send a form to the endpoint of this name and return any answer.

        Repeated once, with the server's nonce, where that is all that was wrong (RFC 9449 section
        8): such an answer is a definite refusal, and nothing was used up.
        """
        response = self._io.send(self._build(endpoint, fields, grant_type, nonce=None))
        nonce = response.headers.get("dpop-nonce", "")
        if (
            self._key is not None
            and _is_nonce(nonce)
            and read_error_code(response) == "use_dpop_nonce"
        ):
            response = self._io.send(self._build(endpoint, fields, grant_type, nonce=nonce))
        return response

    def sign(self) -> str:
        """Return a JWT signed with the private key of the settings, for the audience they name."""
        settings = self._settings
        audience = settings.assertion_audience or self._server.issuer or self._url("token_endpoint")
        subject = settings.subject if settings.signs_its_grant else None
        return sign_assertion(
            self._token_request.credential,
            read_secret(self._token_request, "private_key", self._io),
            issuer=settings.client_id,
            subject=subject or settings.client_id,
            audience=audience,
            now=self._io.now(),
            key_id=settings.key_id,
            accepted=self._server.signing_algorithms,
        )

    def _build(
        self, endpoint: str, fields: Mapping[str, str], grant_type: str | None, nonce: str | None
    ) -> HttpRequest:
        url = self._url(endpoint)
        # Whatever a program or file did, the server has seen nothing.
        with nothing_sent():
            headers, proof = self._authenticate()
        words = {**fields, **proof}
        headers |= {
            "Accept": "application/json",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        if self._key is not None and endpoint == "token_endpoint":
            headers["DPoP"] = self._key.prove("POST", url, now=self._io.now(), nonce=nonce)
        if grant_type is None:
            body = urlencode(words)
        else:
            fields_of_body: dict[str, Any] = resource_of(self._token_request) | words
            body = prepare_token_request(grant_type, **fields_of_body)
        settings = self._settings
        certificate = None
        if settings.client_certificate is not None and settings.client_key is not None:
            certificate = (settings.client_certificate, settings.client_key)
        return HttpRequest(
            method="POST",
            url=url,
            headers=headers,
            body=body.encode(),
            timeout=settings.timeout,
            client_certificate=certificate,
            learned=self._server.is_learned(url),
        )

    def _authenticate(self) -> tuple[dict[str, str], dict[str, str]]:
        """Return headers and fields that prove who the client is (RFC 6749 section 2.3)."""
        settings = self._settings
        match settings.auth_method or self._way_of_secret():
            case "client_secret_basic":
                secret = read_secret(self._token_request, "client_secret", self._io).reveal()
                # Form encoded first, as the RFC has it, so that a colon cannot split them anew.
                pair = f"{quote_plus(settings.client_id)}:{quote_plus(secret)}"
                return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}, {}
            case "client_secret_post":
                secret = read_secret(self._token_request, "client_secret", self._io).reveal()
                return {}, {"client_id": settings.client_id, "client_secret": secret}
            case "private_key_jwt":
                if settings.client_assertion is None:
                    assertion = self.sign()
                else:
                    found = read_secret(self._token_request, "client_assertion", self._io)
                    assertion = found.reveal()
                return {}, {
                    "client_id": settings.client_id,
                    "client_assertion_type": _ASSERTION_TYPE,
                    "client_assertion": assertion,
                }
            case _:
                return {}, {"client_id": settings.client_id}

    def _way_of_secret(self) -> str:
        """Return where the secret goes: into the header, unless the server lists only the body."""
        methods = self._server.auth_methods
        if "client_secret_post" in methods and "client_secret_basic" not in methods:
            return "client_secret_post"
        return "client_secret_basic"

    def _url(self, endpoint: str) -> str:
        return self._server.endpoint(endpoint, self._token_request.credential)


def _is_nonce(text: str) -> bool:
    return 0 < len(text) <= 1024 and text.isascii() and text.isprintable()
