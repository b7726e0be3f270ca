"""The hook by which google-auth sends: every request of its goes out by `io.send`.

Whatever is no success is raised from here, so that google-auth, which would wait and try again, or
quote the answer in its exceptions, never sees it. What a refusal means is `failures`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from urllib.parse import parse_qs

from google.auth import transport

from credward.providers.gcp.failures import read_failure
from credward.providers.provider import Grant, HttpRequest, HttpResponse, Io
from credward.tokens import Secret

__all__ = ["GoogleRequest"]


class GoogleRequest(transport.Request):
    """Sends for one mint of *credential*; *timeout* and *took*, of the last answer, in seconds."""

    def __init__(
        self,
        io: Io,
        *,
        credential: str,
        timeout: float,
        login_command: str,
        grant: Secret | None = None,
    ) -> None:
        self._io = io
        self._credential = credential
        self._timeout = timeout
        self._login_command = login_command
        self._grant = grant
        self.took = 0.0

    def now(self) -> float:
        """Return the wall clock in Unix seconds."""
        return self._io.now()

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str | bytes] | None = None,
        timeout: float | None = None,  # noqa: ARG002 - ours holds
        cert: tuple[str, str] | None = None,
        **_: object,
    ) -> transport.Response:
        """Send one request; *cert* holds the PEM files of an X.509 identity pool (mutual TLS)."""
        http_request = HttpRequest(
            method=method,
            url=url,
            headers={name: _text(value) for name, value in (headers or {}).items()},
            body=body or b"",
            timeout=self._timeout,
            client_certificate=cert,
        )
        started = self._io.now()
        answer = self._io.send(http_request)
        self.took = self._io.now() - started
        if answer.status != 200:
            raise read_failure(
                self._credential,
                http_request,
                answer,
                now=self._io.now(),
                login_command=self._login_command,
            )
        self._keep_rotated(http_request, answer)
        return _Response(answer)

    def _keep_rotated(self, http_request: HttpRequest, answer: HttpResponse) -> None:
        """Keep a refresh token that came instead of *grant*, before anything else can go wrong.

        Google does not rotate, but RFC 6749 section 6 lets it; google-auth refreshes copies, which
        would take the new one along.
        """
        form = parse_qs(http_request.body.decode("latin-1"))
        if self._grant is None or form.get("grant_type") != ["refresh_token"]:
            return
        fields: object = None
        with contextlib.suppress(ValueError, RecursionError):
            fields = json.loads(answer.body)
        fresh = fields.get("refresh_token") if isinstance(fields, dict) else None
        if isinstance(fresh, str) and fresh and fresh != self._grant.reveal():
            self._io.save_grant(Grant(secret=Secret(fresh)))


class _Response(transport.Response):
    """An answer in google-auth's words."""

    def __init__(self, answer: HttpResponse) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        """Return the HTTP status."""
        return self._answer.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Return the headers, their names in lower case."""
        return self._answer.headers

    @property
    def data(self) -> bytes:
        """Return the body."""
        return self._answer.body


def _text(value: str | bytes) -> str:
    # google-auth hands the session token of IMDSv2 on as it read it.
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value
