"""Where an authorization server takes which request: from the settings, else from its metadata.

Looked up for each use and not kept. `client` sends the requests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.oauth.answers import read_json, refuse_status
from credward.providers.provider import HttpRequest, Io, ProviderRequest, nothing_sent
from credward.settings.oauth import Settings

__all__ = ["AuthorizationServer", "check_server", "find_server"]

# What each way to log in asks; the settings or the metadata name it.
_FLOWS = {
    "browser": ("authorization_endpoint", "token_endpoint"),
    "device": ("device_authorization_endpoint", "token_endpoint"),
}
_PATH = re.compile(r"(/[A-Za-z0-9._~-]{0,100}){0,8}")
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")


class AuthorizationServer(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about one server; None for an endpoint that it does not have.

    *names_itself*: its redirects carry `iss` (RFC 9207). *configured*: the hosts of the settings.
    """

    issuer: str | None = None
    token_endpoint: str | None = None
    authorization_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    revocation_endpoint: str | None = None
    auth_methods: tuple[str, ...] = ()
    signing_algorithms: tuple[str, ...] = ()
    names_itself: bool = False
    configured: frozenset[str] = frozenset()

    def is_learned(self, url: str) -> bool:
        """Return whether only the server's metadata names the host of *url*."""
        return urlsplit(url).hostname not in self.configured

    def endpoint(self, name: str, credential: str) -> str:
        """Return the endpoint called *name*; raise `fix-configuration` if there is none."""
        url = getattr(self, name)
        if not isinstance(url, str):
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{credential}" has a server without {name}: set {name}, or another grant_type',
            )
        return url


def find_server(token_request: ProviderRequest, io: Io, *wanted: str) -> AuthorizationServer:
    """Return the server of the settings, its metadata fetched where an endpoint *wanted* is unset.

    Raise `BrokerError` with `sent="no"`: a failure here never used a grant.
    """
    settings = token_request.settings
    assert isinstance(settings, Settings)
    configured = frozenset(urlsplit(url).hostname or "" for url in settings.urls)
    named = AuthorizationServer(
        configured=configured,
        issuer=settings.issuer,
        token_endpoint=settings.token_endpoint,
        authorization_endpoint=settings.authorization_endpoint,
        device_authorization_endpoint=settings.device_authorization_endpoint,
        revocation_endpoint=settings.revocation_endpoint,
    )
    if settings.issuer is None or all(getattr(named, name) is not None for name in wanted):
        return named
    with nothing_sent():
        metadata = _fetch(token_request.credential, settings, io)

    def find(name: str) -> str | None:
        url: str | None = getattr(settings, name)
        return url or _read_endpoint(metadata, name, settings)

    return AuthorizationServer(
        configured=configured,
        issuer=settings.issuer,
        token_endpoint=find("token_endpoint"),
        authorization_endpoint=find("authorization_endpoint"),
        device_authorization_endpoint=find("device_authorization_endpoint"),
        revocation_endpoint=find("revocation_endpoint"),
        auth_methods=_words(metadata, "token_endpoint_auth_methods_supported"),
        signing_algorithms=_words(metadata, "token_endpoint_auth_signing_alg_values_supported"),
        names_itself=metadata.get("authorization_response_iss_parameter_supported") is True,
    )


def check_server(token_request: ProviderRequest, io: Io) -> None:
    """Raise `BrokerError` if no login can begin: no metadata, of another issuer, or without one.

    Settings that name all endpoints of a login themselves need no metadata.
    """
    settings = token_request.settings
    assert isinstance(settings, Settings)
    flows = [_FLOWS[each] for each in settings.meaning.grant.logins]
    if not flows or any(all(getattr(settings, name) for name in flow) for flow in flows):
        return
    server = find_server(token_request, io, *flows[0], *flows[-1])
    if not any(all(getattr(server, name) for name in flow) for flow in flows):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{token_request.credential}" has a server on which nobody can log in, its metadata '
            "names no authorization_endpoint and no device_authorization_endpoint with a "
            "token_endpoint: correct issuer, or set them",
        )


def _fetch(credential: str, settings: Settings, io: Io) -> Mapping[str, Any]:
    assert settings.issuer is not None
    host = urlsplit(settings.issuer).hostname or ""
    for url in _addresses(settings.issuer):
        response = io.send(
            HttpRequest(
                method="GET",
                url=url,
                headers={"Accept": "application/json"},
                timeout=settings.timeout,
            )
        )
        if response.status == 200:
            metadata = read_json(response, credential, host)
            # RFC 8414 section 3.3: character by character, else another server speaks for this one.
            if metadata.get("issuer") != settings.issuer:
                raise _another_issuer(credential, settings.issuer, metadata.get("issuer"))
            return metadata
        if response.status not in {400, 404, 405, 410}:
            refuse_status(response, credential, host, io.now())
    # Not parked: a server behind a wrong route comes back by itself.
    raise BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" got no token, {settings.issuer} publishes no metadata: '
        "correct issuer, or set token_endpoint (credward config edit)",
    )


def _another_issuer(credential: str, issuer: str, named: object) -> BrokerError:
    """Return the error for metadata that names another issuer than *issuer*.

    What it names is a stranger's text: it is shown if it can only be another path, in plain
    characters, of the server that the settings name.
    """
    parts = urlsplit(issuer)
    server = f"{parts.scheme}://{parts.netloc}"
    path = named.removeprefix(server) if isinstance(named, str) else None
    if path is not None and path != named and _PATH.fullmatch(path):
        remedy = f'set issuer = "{named}" (credward config edit)'
    else:
        remedy = "set issuer to its own server, or ask who runs it (credward config edit)"
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential}" got no token, {issuer} names another issuer in its metadata: {remedy}',
    )


def _addresses(issuer: str) -> Iterator[str]:
    """Yield possible metadata URLs: OpenID Connect Discovery section 4, RFC 8414 section 3.1."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    yield f"{parts.scheme}://{parts.netloc}{path}/.well-known/openid-configuration"
    yield f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}"


def _read_endpoint(metadata: Mapping[str, Any], name: str, settings: Settings) -> str | None:
    aliases = metadata.get("mtls_endpoint_aliases")
    url = metadata.get(name)
    if settings.client_certificate is not None and isinstance(aliases, dict):
        # RFC 8705 section 5: certificates may be asked for on another host.
        url = aliases.get(name, url)
    if not isinstance(url, str):
        return None
    # A server that is reached by https does not send secrets elsewhere in the clear.
    plain = (settings.issuer or "").startswith("http://")
    allowed = ("https://", "http://") if plain else ("https://",)
    # Its host gets into messages: letters, digits and the like, and a URL that can be one.
    try:
        host = urlsplit(url).netloc if url.isascii() and url.isprintable() else ""
    except ValueError:
        return None
    return url if url.startswith(allowed) and _HOST.fullmatch(host) else None


def _words(metadata: Mapping[str, Any], name: str) -> tuple[str, ...]:
    words = metadata.get(name)
    return tuple(str(word) for word in words) if isinstance(words, list) else ()
