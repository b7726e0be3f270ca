"""Waits until the user has typed a device code (RFC 8628 sections 3.2 to 3.5).

Polls as slowly as the server wants; the one place here that lets time pass, through `LoginIo`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.oauth.answers import read_error_code
from credward.providers.oauth.client import OAuthClient
from credward.providers.provider import LoginIo
from credward.settings.checks import is_page

__all__ = ["DeviceAnswer", "poll", "read_device_answer"]

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:device_code"
# RFC 8628 sections 3.2 and 3.5 (seconds).
_INTERVAL = 5.0
_SLOWER = 5.0
_LONGEST_INTERVAL = 60.0
_LONGEST_WAIT = 3600.0


class DeviceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the server made up; *expires_in* and *interval* are in seconds."""

    device_code: str
    user_code: str
    url: str
    complete_url: str | None
    expires_in: float
    interval: float

    def __repr__(self) -> str:
        return f"DeviceAnswer({self.user_code}, {self.url})"


def read_device_answer(answer: Mapping[str, Any], credential: str) -> DeviceAnswer:
    """Return the checked answer; all of it but the device code is shown to the user."""
    device_code, user_code = answer.get("device_code"), answer.get("user_code")
    # Google and old Entra tenants say verification_url.
    url = _page(answer.get("verification_uri") or answer.get("verification_url"))
    if (
        not isinstance(device_code, str)
        or not device_code
        or not isinstance(user_code, str)
        or not user_code.isprintable()
        or not 0 < len(user_code) <= 64
        or url is None
    ):
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{credential}" got no token, the server sent no code to show: '
            "correct device_authorization_endpoint",
        )
    return DeviceAnswer(
        device_code=device_code,
        user_code=user_code,
        url=url,
        complete_url=_page(answer.get("verification_uri_complete")),
        expires_in=_seconds(answer.get("expires_in"), 600.0, _LONGEST_WAIT),
        interval=_seconds(answer.get("interval"), _INTERVAL, _LONGEST_INTERVAL),
    )


def poll(client: OAuthClient, begun: DeviceAnswer, credential: str, io: LoginIo) -> dict[str, Any]:
    """Return the token answer once the user is done; raise `login-required` when it is too late."""
    interval = begun.interval
    ends_at = io.now() + begun.expires_in
    fields = {"device_code": begun.device_code}
    while io.now() + interval < ends_at:
        io.wait(interval)
        try:
            response = client.send("token_endpoint", fields, grant_type=_GRANT_TYPE)
        except BrokerError as failure:
            if failure.kind not in {Kind.TIMED_OUT, Kind.PROVIDER_UNREACHABLE}:
                raise
            # The RFC has a client slow down then, and go on.
            interval = min(interval * 2, _LONGEST_INTERVAL)
            continue
        match read_error_code(response):
            case "authorization_pending":
                pass
            case "slow_down":
                interval += _SLOWER
            case "expired_token":
                break
            case "access_denied":
                raise _not_done(credential, "it was denied (access_denied)")
            case _:
                return client.read(response)
    raise _not_done(credential, "the code was not entered in time (expired_token)")


def _page(url: object) -> str | None:
    """Return *url* if it is one that may be opened."""
    return url if isinstance(url, str) and is_page(url) else None


def _seconds(value: object, default: float, longest: float) -> float:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        return default
    return min(float(value), longest)


def _not_done(name: str, problem: str) -> BrokerError:
    return BrokerError(
        Kind.LOGIN_REQUIRED, f'"{name}" was not logged in, {problem}: run credward login {name}'
    )
