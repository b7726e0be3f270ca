"""Reads what an authorization server answered: HTTP in, a checked object or a failure out.

Pure. Which token is then made of the object is `tokens`, what an error code means
`errors`.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.oauth.errors import refusal
from credward.providers.provider import HttpResponse
from credward.providers.retry_after import read_retry_after

__all__ = ["read_answer", "read_error_code", "read_json", "refuse_status"]


def read_answer(
    response: HttpResponse, credential: str, host: str, *, now: float, grant_type: str
) -> dict[str, Any]:
    """Return the object of an answer that grants something, or raise what else it is.

    `sent` is "no" for every definite refusal and "maybe" for what no authorization server says,
    such as the page of a captive portal (RFC 6749 sections 5.1 and 5.2).
    """
    retry_after = read_retry_after(response.headers, now)
    # First: a limit may be told by whatever stands before the server, as a web page too.
    if response.status == 429:
        raise _limited(credential, host, retry_after)
    answer = _parse(response)
    # Also with status 200, as GitHub has it.
    code = read_error_code(response)
    if code is not None and (response.status < 500 or code == "temporarily_unavailable"):
        raise refusal(
            code,
            credential,
            host,
            grant_type=grant_type,
            retry_after=retry_after,
            status=response.status,
        )
    if response.status >= 500:
        raise _down(credential, host, response.status, retry_after)
    if response.status != 200 or answer is None:
        raise _not_oauth(response, credential, host)
    return answer


def read_error_code(response: HttpResponse) -> str | None:
    """Return the error code in *response*, registered or not; None where it holds none."""
    code = (_parse(response) or {}).get("error")
    return code if isinstance(code, str) and code else None


def read_json(response: HttpResponse, credential: str, host: str) -> dict[str, Any]:
    """Return the JSON object of *response*, or raise `provider-refused`."""
    answer = _parse(response)
    if answer is None:
        raise _not_oauth(response, credential, host)
    return answer


def refuse_status(response: HttpResponse, credential: str, host: str, now: float) -> NoReturn:
    """Raise what a status other than 200 means where no OAuth error code is expected."""
    retry_after = read_retry_after(response.headers, now)
    if response.status == 429:
        raise _limited(credential, host, retry_after)
    if response.status >= 500:
        raise _down(credential, host, response.status, retry_after)
    raise _not_oauth(response, credential, host)


def _parse(response: HttpResponse) -> dict[str, Any] | None:
    """Return the object in a JSON answer; None for any other answer."""
    media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        return None
    try:
        answer = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _limited(credential: str, host: str, retry_after: float | None) -> BrokerError:
    return BrokerError(
        Kind.RATE_LIMITED,
        f'"{credential}" got no token, {host} asks for fewer requests: retrying by itself',
        retry_after=retry_after,
    )


def _down(credential: str, host: str, status: int, retry_after: float | None) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_UNREACHABLE,
        f'"{credential}" got no token, {host} failed (status {status}): retrying by itself',
        retry_after=retry_after,
        sent="maybe",
    )


def _not_oauth(response: HttpResponse, credential: str, host: str) -> BrokerError:
    if not response.body.strip():
        what = "nothing"
    elif response.body.lstrip()[:1] == b"<":
        what = "a web page (captive portal?)"
    else:
        what = "no JSON object"
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{credential}" got no token, {host} answered {what} with status {response.status}: '
        "check for a proxy or a captive portal in between",
        sent="maybe",
    )
