"""The one way out: HTTP requests of every provider, by urllib3, with our CA, proxy, limits.

Moves bytes and says whether a request may have arrived; what an answer means is the provider's
business.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import urllib3
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ProxyError,
    SSLError,
    TimeoutError,  # noqa: A004 - urllib3's own, the base of its two
)

from credward.errors import BrokerError, Kind, Sent
from credward.named_files import check_file
from credward.providers.provider import HttpRequest, HttpResponse
from credward.settings.checks import is_loopback, origin_of
from credward.settings.network import NetworkSettings
from credward.upstream import Trouble

__all__ = ["Transport", "Unanswered"]

# Token answers and metadata are a few KiB; a longer answer is something else (bytes).
_MAX_BODY = 64 * 1024
_CONNECT_TIMEOUT = 10.0
# The instance metadata service of a cloud's machine: on its host, never on a network, and in the
# clear everywhere (the same address at Azure, AWS and Google).
_METADATA_HOST = "169.254.169.254"


# OpenSSL's numbers for what is wrong with a certificate (X509_V_ERR_…): not trusted, not valid now,
# or for another host or address.
_CERTIFICATE: dict[int, Trouble] = {
    **dict.fromkeys((2, 18, 19, 20, 21), "tls-untrusted"),
    **dict.fromkeys((9, 10), "tls-expired"),
    **dict.fromkeys((62, 64), "tls-name"),
}


class Unanswered(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer; *sent* as in a `Failure`, *proxied*: the proxy's trouble."""

    trouble: Trouble
    sent: Sent
    proxied: bool


class _NotPublicError(HTTPError):
    """A host that an answer named is in a private network."""


class _PublicConnection(HTTPSConnection):
    """Judges the very address that it is connected to, before a byte is sent: no second lookup."""

    def _new_conn(self) -> socket.socket:
        connected = super()._new_conn()
        if not _is_public(connected.getpeername()[0]):
            connected.close()
            raise _NotPublicError
        return connected


class _PublicPool(HTTPSConnectionPool):
    ConnectionCls = _PublicConnection


class Transport:
    """Connections of one worker, kept open between its requests."""

    def __init__(self, network: NetworkSettings) -> None:
        self._network = network
        self._pools: dict[tuple[object, ...], urllib3.PoolManager] = {}

    def send(
        self, http_request: HttpRequest, *, credential: str, max_body: int = _MAX_BODY
    ) -> HttpResponse:
        """Send one request, or raise `BrokerError`; redirects are answers like any other."""
        answer = self.exchange(http_request, credential=credential, max_body=max_body)
        host = urlsplit(http_request.url).hostname or ""
        if isinstance(answer, Unanswered):
            raise _failure(answer, host, credential)
        if len(answer.body) > max_body:
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{credential}" got no token, {host} sent more than {max_body // 1024} KiB: '
                "check the URL in the configuration",
                sent="maybe",
            )
        return answer

    def exchange(
        self, http_request: HttpRequest, *, credential: str, max_body: int = _MAX_BODY
    ) -> HttpResponse | Unanswered:
        """Send one request; a longer body than *max_body* is cut off after one byte more.

        Raise `BrokerError` for a request that must not be sent.
        """
        host = _check_url(http_request.url, credential)
        _check_headers(http_request, host, credential)
        public = http_request.learned and not self._network.may_be_private(host)
        if public and not _may_be_public(http_request.url):
            raise _not_public(host, credential)
        secure = urlsplit(http_request.url).scheme == "https"
        certificate = http_request.client_certificate if secure else None
        try:
            pool = self._pool(host, certificate, credential, secure=secure, public=public)
            return _exchange(pool, http_request, max_body)
        except _NotPublicError:
            pass
        except (HTTPError, OSError, ValueError) as error:
            return _unanswered(error)
        # Out here: the error, which may quote the URL, is not even its context.
        raise _not_public(host, credential)

    def close(self) -> None:
        """Close the connections that were kept open."""
        for pool in self._pools.values():
            pool.clear()
        self._pools.clear()

    def _pool(
        self,
        host: str,
        certificate: tuple[str, str] | None,
        credential: str,
        *,
        secure: bool,
        public: bool,
    ) -> urllib3.PoolManager:
        direct = self._network.proxy is None or _is_near(host) or self._network.bypasses(host)
        key = (direct, public, secure, certificate)
        if (found := self._pools.get(key)) is not None:
            return found
        # What is trusted takes 50 ms to read, and a metadata server is asked in the clear.
        wanted = secure or not direct
        context = _trust(self._network.ca, certificate, credential) if wanted else None
        pool = (
            urllib3.PoolManager(ssl_context=context, maxsize=2)
            if direct or self._network.proxy is None
            else urllib3.ProxyManager(self._network.proxy, ssl_context=context, maxsize=2)
        )
        if public and direct:
            # Through a proxy it is the proxy that looks the name up, and its rules that count.
            pool.pool_classes_by_scheme = {"https": _PublicPool}
        self._pools[key] = pool
        return pool


def _exchange(pool: urllib3.PoolManager, http_request: HttpRequest, max_body: int) -> HttpResponse:
    response = pool.request(
        http_request.method,
        http_request.url,
        headers=dict(http_request.headers),
        body=http_request.body or None,
        redirect=False,
        retries=False,
        preload_content=False,
        timeout=urllib3.Timeout(
            connect=min(_CONNECT_TIMEOUT, http_request.timeout), read=http_request.timeout
        ),
    )
    body = response.read(max_body + 1, decode_content=True)
    # Closed if a part is left unread: it would look like the next answer.
    response.close() if len(body) > max_body else response.release_conn()
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpResponse(status=response.status, headers=headers, body=body)


def _trust(
    authority: str | None, certificate: tuple[str, str] | None, credential: str
) -> ssl.SSLContext:
    """Return what is trusted and presented; both are named by paths of PEM files."""
    certificate = certificate and (_expand(certificate[0]), _expand(certificate[1]))
    authority = authority and _expand(authority)
    for path in (authority, *(certificate or ())):
        if path is None:
            continue
        try:
            check_file(path)
        except OSError as error:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{credential}" got no token, certificate file {path} cannot be read '
                f"({error.strerror}): correct its path or mode",
            ) from error
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(*certificate)
    return context


def _check_url(url: str, credential: str) -> str:
    """Return the host of *url*; refuse what goes elsewhere in the clear, or holds a password."""
    if (origin := origin_of(url)) is None:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" has a URL that is not valid: correct it in the configuration',
        )
    scheme, host, _ = origin
    if scheme == "https" or _is_near(host):
        return host
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential}" would send its secret to {host} in the clear: use an https URL',
    )


def _check_headers(http_request: HttpRequest, host: str, credential: str) -> None:
    """Refuse an invalid header: a secret with a line break, or a token that an answer made up."""
    if all(value.isascii() and value.isprintable() for value in http_request.headers.values()):
        return
    raise BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" got no token, a header for {host} is not printable ASCII: '
        "correct the secret, or check the answer that it came from",
    )


def _is_near(host: str) -> bool:
    """Tell whether *host* is this machine, or the metadata service below it."""
    return host == _METADATA_HOST or is_loopback(host)


def _may_be_public(url: str) -> bool:
    """Tell whether a URL that an answer named may be asked: https, and no private address in it."""
    parts = urlsplit(url)
    try:
        return parts.scheme == "https" and _is_public(parts.hostname or "")
    except ValueError:
        return parts.scheme == "https"


def _is_public(address: str) -> bool:
    found = ipaddress.ip_address(address.partition("%")[0])
    return (getattr(found, "ipv4_mapped", None) or found).is_global


def _unanswered(error: Exception) -> Unanswered:
    """Classify; the text of the error is not kept, because it may quote the URL."""
    reason: BaseException = error
    proxied = isinstance(error, ProxyError)
    if isinstance(error, ProxyError) and isinstance(error.original_error, Exception):
        reason = error.original_error
    sent: Sent = "maybe"
    trouble: Trouble = "closed"
    match reason:
        case NameResolutionError():
            trouble, sent = "dns", "no"
        case NewConnectionError() if isinstance(reason.__cause__, ConnectionRefusedError):
            trouble, sent = "refused", "no"
        case NewConnectionError() | ConnectTimeoutError():
            trouble, sent = "unreachable", "no"
        case SSLError() | ssl.SSLError():
            inner = reason.args[0] if reason.args else None
            trouble = "tls"
            if isinstance(inner, ssl.SSLCertVerificationError):
                trouble = _CERTIFICATE.get(inner.verify_code, "tls")
            # A handshake that failed comes before the request; any later TLS error does not.
            sent = "no" if "CERTIFICATE_VERIFY_FAILED" in str(reason) else "maybe"
        case TimeoutError():
            trouble = "timeout"
    return Unanswered(trouble=trouble, sent=sent, proxied=proxied)


def _failure(unanswered: Unanswered, host: str, credential: str) -> BrokerError:
    kind = Kind.PROVIDER_UNREACHABLE
    match unanswered.trouble:
        case "dns" | "refused" | "unreachable":
            what = "is unreachable (no connection): check network and VPN"
        case "tls" | "tls-untrusted" | "tls-expired" | "tls-name":
            what = "is not trusted (TLS certificate): set network.ca to the PEM file of its CA"
        case "timeout":
            kind, what = Kind.TIMED_OUT, "did not answer in time: check network and VPN"
        case _:
            what = "closed the connection without an answer: check network and proxy"
    via = " (through the proxy)" if unanswered.proxied else ""
    text = f'"{credential}" got no token, {host}{via} {what}'
    return BrokerError(kind, text, sent=unanswered.sent)


def _not_public(host: str, credential: str) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential}" got no token, its server names {host}, which is in a private '
        "network: add it to network.private_hosts if that is right",
    )


def _expand(path: str) -> str:
    return str(Path(path).expanduser())
