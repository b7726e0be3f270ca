"""The token that the credential gives now, and whether it shows that this machine's clock is off.

The token itself is never shown or kept: later checks compare its digest.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

import msgspec

from credward.cli.doctor.finding import Finding, Known, fail, ok, warn
from credward.cli.helper_probe import digest
from credward.cli.output import format_duration
from credward.cli.start import reach
from credward.clock import SystemClock
from credward.config import CredentialConfig
from credward.errors import Kind
from credward.tokens import TokenRequest
from credward.wire import StatusList

__all__ = ["check_token", "clock_fault", "doubt_of", "shape_of"]

# Issuers themselves allow for some difference (seconds).
_TOLERANCE = 60.0


def check_token(known: Known) -> Iterator[Finding]:
    """Report whether the daemon has a token for this credential, or why not."""
    credential, listed = known.credential, known.statuses
    if credential is None or listed is None or listed.locked:
        return
    body = _ask(credential)
    known.given = digest(body)
    known.statuses = listed = reach().statuses()
    ends = next(
        (each.expires_at for each in listed.credentials if each.name == credential.name), None
    )
    left = f" for {format_duration(ends - listed.now)}" if ends is not None else ""
    yield ok("token", f'"{credential.name}" gives one, valid{left}')
    yield from _failures(credential, listed)
    known.doubt = _doubt(credential, listed)
    # The service itself tells more than a doubt, if it is asked.
    if not known.live:
        yield from doubt_of(known)
    if (fault := clock_fault(body, SystemClock().now())) is not None:
        yield fail("clock", fault, Kind.FIX_CONFIGURATION)


def doubt_of(known: Known) -> Iterator[Finding]:
    """Report that the token is probably refused, and how to see whether it is, if that can be."""
    from credward.issuing.questions import can_be_asked

    if known.doubt is None or known.credential is None:
        return
    text = known.doubt
    if not known.live and can_be_asked(known.credential):
        text += f"; credward doctor {known.credential.name} --live shows whether it is"
    yield warn("token", text)


def _doubt(credential: CredentialConfig, listed: StatusList) -> str | None:
    doubts = (each.doubt for each in listed.credentials if each.name == credential.name)
    return next((each.message for each in doubts if each is not None), None)


def _failures(credential: CredentialConfig, listed: StatusList) -> Iterator[Finding]:
    """Report what the token that is still valid hides: the next one will fail."""
    for grant in listed.grants:
        if credential.name in grant.credentials and grant.failure is not None:
            yield fail("login", grant.failure.message, Kind.from_slug(grant.failure.kind))
            return
    for each in listed.credentials:
        if each.name != credential.name:
            continue
        if each.failure is not None:
            yield warn("token", each.failure.message)


def shape_of(credential: CredentialConfig) -> str:
    """Return the format to ask for: the three keys of AWS are no token of one line."""
    return "json" if credential.meaning.kind == "aws" else "token"


def clock_fault(token: bytes, now: float) -> str | None:
    """Return why the clock must be wrong if *token* is a JWT from the future, else None.

    A JWT says when it was issued and from when on it is valid (RFC 7519, `iat` and `nbf`), by the
    clock of its issuer. That ours is ahead cannot be seen from it.
    """
    parts = token.strip().split(b".")
    if len(parts) != 3:
        return None
    try:
        payload = base64.urlsafe_b64decode(parts[1] + b"=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(payload, type=dict[str, object])
    except (binascii.Error, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    said = [value for name in ("iat", "nbf") if isinstance(value := claims.get(name), int | float)]
    ahead = max(said, default=now) - now
    if ahead <= _TOLERANCE:
        return None
    return (
        f"is {format_duration(ahead)} behind that of the token's issuer, so the token counts as "
        "not valid yet: run timedatectl set-ntp true"
    )


def _ask(credential: CredentialConfig) -> bytes:
    """Return what the credential gives to a caller that may have it."""
    token_request = TokenRequest(
        credential=credential.name,
        format=shape_of(credential),
        timeout=10.0,
        client_base_url=next(iter(credential.base_urls), None),
        # This question is not an agent's, and does not mean that it refused a token.
        in_tool=True,
    )
    body, _ = reach().get_token(token_request)
    return body
