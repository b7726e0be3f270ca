"""Looks at the JWT that is about to be presented: what would be refused is not sent.

Nothing is verified here, because the server does that. What is sent, and what comes back, is
`exchange`.
"""

from __future__ import annotations

import hashlib

import jwt
import msgspec

from credward.errors import BrokerError, Kind

__all__ = ["Assertion", "read_assertion"]

# The longest that the endpoint takes (bytes), by the vendor's documentation.
_LONGEST = 16 * 1024
_ALGORITHMS = frozenset(
    f"{family}{size}" for family in ("ES", "RS", "PS") for size in (256, 384, 512)
)


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """The facts about a JWT. *digest* names it by issuer and `jti`, if it has one."""

    expires_at: float
    digest: str | None


def read_assertion(name: str, text: str, where: str, now: float) -> Assertion:
    """Return the facts in *text*; raise `BrokerError` if the server would refuse it anyway.

    *where* is its source, for messages. The bounds are those of the vendor's documentation:
    asymmetric algorithm, at most 16 KiB, `exp` required.
    """
    if text.startswith("sk-ant-"):
        raise _misconfigured(
            name, f"{where} is a token of Anthropic, not a JWT: name the source of an OIDC token"
        )
    if len(text) > _LONGEST:
        raise _misconfigured(
            name, f"{where} holds more than {_LONGEST // 1024} KiB: name the source of the bare JWT"
        )
    header, claims = _decode(text)
    if not claims:
        raise _misconfigured(name, f"{where} holds no JWT: name the source of an OIDC token")
    if header.get("alg") not in _ALGORITHMS:
        raise _misconfigured(
            name, f"its JWT in {where} is not signed by ES, RS or PS: use another issuer"
        )
    expires_at = claims.get("exp")
    if not isinstance(expires_at, int | float) or isinstance(expires_at, bool):
        raise _misconfigured(name, f"its JWT in {where} has no expiry (exp): use another issuer")
    if expires_at <= now:
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{name}" got no token, its JWT in {where} expired {now - expires_at:.0f} s ago: '
            "find out why it is not renewed there",
        )
    return Assertion(expires_at=float(expires_at), digest=_digest(claims))


def _decode(text: str) -> tuple[dict[str, object], dict[str, object]]:
    """Return header and claims, both empty if it is not a JWT."""
    try:
        parts = jwt.decode_complete(text, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        return {}, {}
    return dict(parts["header"]), dict(parts["payload"])


def _digest(claims: dict[str, object]) -> str | None:
    if not claims.get("jti"):
        return None
    return hashlib.sha256(f"{claims.get('iss')}\0{claims['jti']}".encode()).hexdigest()


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" got no token, {problem}')
