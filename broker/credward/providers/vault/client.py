"""hvac over our transport, and what a refusal of the server means.

Sends and classifies; which requests are made, and why, is `provider` and its other parts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import hvac
import msgspec
import requests
from hvac.adapters import JSONAdapter
from hvac.exceptions import VaultError

from credward.errors import BrokerError, Kind, Sent
from credward.providers.provider import HttpRequest, HttpResponse, Io
from credward.providers.retry_after import read_retry_after
from credward.settings.vault import Settings

__all__ = ["RefusedError", "VaultClient", "ask_vault", "make_client"]

# 472 and 473: replicas, as `sys/health` numbers them; 412: a replica that is behind.
_REPLICAS = frozenset({412, 472, 473})


class RefusedError(BrokerError):
    """An answer with a status that says no; *status* is for those who know another way."""

    def __init__(
        self,
        status: int,
        kind: Kind,
        message: str,
        *,
        retry_after: float | None = None,
        sent: Sent = "no",
        hint: str = "",
    ) -> None:
        super().__init__(kind, message, retry_after=retry_after, sent=sent, hint=hint)
        self.status = status


class _Session:
    """Stands where hvac has its `requests.Session`; keeps the last answer for its status."""

    cert = None
    # True, lest hvac look for a session of its own: what is trusted is the transport's business.
    verify = True
    proxies: Mapping[str, str] | None = None

    def __init__(self, io: Io, settings: Settings) -> None:
        self._io = io
        self._timeout = settings.timeout
        pair = (settings.client_cert, settings.client_key)
        self._certificate = (pair[0], pair[1]) if pair[0] and pair[1] else None
        self.last: HttpResponse | None = None

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        json: Any = None,
        params: Mapping[str, str] | None = None,
        **_: object,
    ) -> requests.Response:
        """Send one request; hvac's own wishes about redirects, TLS and time are not heard."""
        self.last = None
        address = f"{url}{'&' if '?' in url else '?'}{urlencode(params)}" if params else url
        answer = self._io.send(
            HttpRequest(
                method=method.upper(),
                url=address,
                headers={**headers, "Content-Type": "application/json"},
                body=b"" if json is None else msgspec.json.encode(json),
                timeout=self._timeout,
                client_certificate=self._certificate,
            )
        )
        self.last = answer
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.encoding = "utf-8"
        response._content = answer.body  # noqa: SLF001 - no public way; as requests' own adapters
        return response

    def close(self) -> None:
        """Nothing is held open here."""


class VaultClient:
    """One mint's client: hvac, the name for messages, and the host that is spoken to."""

    def __init__(self, name: str, settings: Settings, io: Io) -> None:
        environ = io.environment()
        address = settings.address or environ.get("VAULT_ADDR") or environ.get("BAO_ADDR")
        if not address:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{name}" got no token, its server is not set: set address',
                hint="VAULT_ADDR counts where the daemon itself was started with it",
            )
        self.name = name
        self.now = io.now
        self.settings = settings
        self.address = address.rstrip("/")
        self.namespace = (
            settings.namespace or environ.get("VAULT_NAMESPACE") or environ.get("BAO_NAMESPACE")
        )
        self.host = urlsplit(address).hostname or "the server"
        self._session = _Session(io, settings)
        session: Any = self._session
        # An empty token, lest hvac look for one in variables and files.
        self.hvac = hvac.Client(
            url=self.address,
            token="",
            timeout=int(settings.timeout) or 1,
            allow_redirects=False,
            session=session,
            adapter=JSONAdapter,
            namespace=self.namespace,
        )

    @property
    def last(self) -> HttpResponse | None:
        """The last answer, or None."""
        return self._session.last


def make_client(name: str, settings: Settings, io: Io) -> VaultClient:
    """Return a client that has sent nothing yet."""
    return VaultClient(name, settings, io)


def ask_vault(vault: VaultClient, what: str, call: Callable[[], Any]) -> dict[str, Any]:
    """Return the JSON object from *call*, an empty one for an empty answer.

    *what* says for messages what was asked for. Raise `RefusedError` for every other status.
    """
    refused = False
    answer: Any = None
    try:
        answer = call()
    except (VaultError, TypeError):
        # Its text holds the body: nothing of it goes on. hvac joins `errors` without looking
        # whether they are texts.
        refused = True
    except (RecursionError, ValueError):
        # Invalid JSON, or nested too deeply.
        answer = None
    last = vault.last
    if refused or last is None or not 200 <= last.status < 300:
        raise _failure(vault, what, last)
    if isinstance(answer, dict):
        return answer
    if last.status == 204 or not last.body:
        return {}
    raise BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{vault.name}" got no token, {vault.host} sent no JSON: check address',
        sent="maybe",
    )


def _failure(vault: VaultClient, what: str, answer: HttpResponse | None) -> BrokerError:
    """Classify by status; sources: the vendors' HTTP API pages and `sys/health`."""
    status = answer.status if answer else 0
    errors = _errors(answer)
    if status == 500 and "past the max ttl" in errors:
        # What OpenBao 2.7 answers to a renewal at the end of the longest life: a refusal.
        status = 400
    kind = Kind.FIX_CONFIGURATION
    sent: Sent = "no"
    start = f'"{vault.name}" got no token, {vault.host} '
    retry_after = read_retry_after(answer.headers, vault.now()) if answer else None
    match status:
        case 400:
            text = f"refuses {what} (status 400): correct its settings"
        case 401 | 403:
            text = f"denies {what} (status {status}): correct the role or its policy"
        case 404 if "versioned" in str(_parse(answer).get("warnings")):
            text = f"has nothing at {what}: set kv_version = 2"
        case 404 if vault.namespace and "namespace" in errors:
            text = f'has no namespace "{vault.namespace}": correct namespace'
        case 404 if what.startswith('"'):
            text = f"has nothing at {what}: correct path, or namespace"
        case 404:
            text = f"does not know {what}: correct auth_mount, or namespace"
        case 405:
            text = f"does not support {what} in this way: set data, or remove it"
        case 501:
            text = "is not initialized: initialize it"
        case 429:
            kind = Kind.RATE_LIMITED
            text = "asks for fewer requests, or is on standby: retrying by itself"
        case 503 if "sealed" in errors:
            kind, text = Kind.PROVIDER_UNREACHABLE, "is sealed: unseal it"
        case 301 | 302 | 307 | 308:
            kind = Kind.PROVIDER_UNREACHABLE
            text = "is on standby and names another node: set address to the cluster's own"
        case status if status in _REPLICAS:
            kind = Kind.PROVIDER_UNREACHABLE
            text = f"is a replica that cannot answer (status {status}): retrying by itself"
        case _:
            kind, sent = Kind.PROVIDER_UNREACHABLE, "maybe"
            text = f"failed (status {status}): retrying by itself"
    return RefusedError(status, kind, start + text, retry_after=retry_after, sent=sent)


def _errors(answer: HttpResponse | None) -> str:
    """Return the server's complaints, in lower case, to look for words in; never for a message."""
    return str(_parse(answer).get("errors", "")).lower()


def _parse(answer: HttpResponse | None) -> dict[str, Any]:
    try:
        parsed = msgspec.json.decode(answer.body if answer else b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}
