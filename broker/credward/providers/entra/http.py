"""Sends msal's requests over the only outbound transport, and refuses invalid answers.

What an answer of Entra ID means is `errors` and `answers`; msal itself makes the
requests.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from credward.errors import BrokerError, Kind, Sent
from credward.providers.entra.errors import Asker, read_refusal
from credward.providers.provider import HttpRequest, HttpResponse, Io
from credward.providers.retry_after import read_retry_after

__all__ = ["MsalHttp", "MsalResponse", "call_msal"]

_T = TypeVar("_T")


class MsalResponse:
    """An answer as msal reads it; statuses of 500 and above never come this far."""

    def __init__(self, response: HttpResponse) -> None:
        self.status_code = response.status
        self.text = response.body.decode("utf-8", "replace")
        self.headers = dict(response.headers)

    def raise_for_status(self) -> None:
        """Do nothing: what failed was raised before msal saw it."""


class MsalHttp:
    """What msal takes for `http_client=`, for one mint or login.

    *answer* is the last JSON object that came, as it came, and *granted* the same where it brings
    tokens: with status 200 and no error (RFC 6749 section 5.1). *sent*: whether a request that may
    use a grant up has been made without a definite answer.
    """

    def __init__(self, io: Io, asker: Asker, timeout: float) -> None:
        self._io = io
        self._asker = asker
        self._timeout = timeout
        self.answer: Mapping[str, Any] = {}
        self.granted: Mapping[str, Any] = {}
        self.sent: Sent = "no"

    def get(
        self,
        url: str,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> MsalResponse:
        """Send what msal wants to know; no grant is used by it."""
        return self._send("GET", _with_query(url, params), headers, b"")

    def post(
        self,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> MsalResponse:
        """Send a form."""
        body = data.encode() if isinstance(data, str) else urlencode(data or {}).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", _with_query(url, params), form | dict(headers or {}), body)

    def close(self) -> None:
        """Do nothing: connections are the transport's."""

    def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None, body: bytes
    ) -> MsalResponse:
        request = HttpRequest(
            method=method, url=url, headers=headers or {}, body=body, timeout=self._timeout
        )
        self.answer, self.granted = {}, {}
        if method == "POST":
            self.sent = "maybe"
        try:
            response = self._io.send(request)
        except BrokerError as error:
            if method != "GET":
                raise
            # It asked where to go: the grant itself has not been sent.
            raise error.failure.unsent().error() from error
        self._judge(response, method, urlsplit(url).hostname or "")
        return MsalResponse(response)

    def _judge(self, response: HttpResponse, method: str, host: str) -> None:
        """Raise for answers that say nothing about the credential, and for an invalid tenant."""
        sent: Sent = "no" if method == "GET" else "maybe"
        name = self._asker.credential
        status = response.status
        if status == 429:
            raise BrokerError(
                Kind.RATE_LIMITED,
                f'"{name}" got no token, {host} asks for fewer requests (HTTP 429): '
                "retrying by itself",
                retry_after=read_retry_after(response.headers, self._io.now()),
            )
        if status >= 500:
            raise BrokerError(
                Kind.PROVIDER_UNREACHABLE,
                f'"{name}" got no token, {host} failed (HTTP {status}): retrying by itself',
                retry_after=read_retry_after(response.headers, self._io.now()),
                sent=sent,
            )
        if 300 <= status < 400:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{name}" got no token, {host} redirects to another address (HTTP {status}): '
                "set authority to the address that answers",
                sent=sent,
            )
        answer = _read_object(response.body)
        if answer is None:
            if self.tolerates(response):
                return
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{name}" got no token, {host} answered with no JSON (HTTP {status}, '
                f"{len(response.body)} bytes; a proxy's page?): check authority and network.proxy",
                sent=sent,
            )
        self.answer = answer
        if status == HTTPStatus.OK and "error" not in answer:
            self.granted = answer
        self.sent = "no"
        if status < 400 or self.tolerates(response):
            return
        if method == "GET" or not isinstance(answer.get("error"), str):
            # msal returns answers with an error; it would treat anything else as a grant.
            raise read_refusal(answer, self._asker)

    def tolerates(self, response: HttpResponse) -> bool:  # noqa: ARG002
        """Whether msal itself copes with this refusal."""
        return False


def call_msal(http: MsalHttp, credential: str, function: Callable[[], _T]) -> _T:
    """Return what *function* returns; raise only `BrokerError`.

    The text of msal's own exceptions quotes answers and stays out, causes included.
    """
    try:
        with warnings.catch_warnings():
            # Advice to developers, which would end up in a log of ours.
            warnings.simplefilter("ignore")
            return function()
    except BrokerError:
        raise
    except Exception as error:  # noqa: BLE001 - msal raises ValueError, KeyError, RuntimeError …
        problem = type(error).__name__
    raise BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" got no token, the answer is not one of Entra ID ({problem}): '
        "check tenant and authority",
        sent=http.sent,
    )


def _with_query(url: str, params: Mapping[str, Any] | None) -> str:
    if not params:
        return url
    return f"{url}{'&' if '?' in url else '?'}{urlencode(params)}"


def _read_object(body: bytes) -> dict[str, Any] | None:
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
