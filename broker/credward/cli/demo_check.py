"""Check a demo token as a gateway would: its signature by the published key, and its end.

RFC 7515 (JWS) and RFC 7518 section 3.4 (ES256) with `cryptography`; PyJWT stays in the workers.
"""

from __future__ import annotations

import base64
import json
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

__all__ = ["verify"]


def verify(token: str, keys: list[dict[str, str]]) -> str | None:
    """Return what is wrong with *token*, None if it is good; never the token itself."""
    try:
        signed, _, signature = token.rpartition(".")
        header, _, claims = signed.partition(".")
        kid = json.loads(_decode(header))["kid"]
        ends_at = float(json.loads(_decode(claims))["exp"])
        key = next(each for each in keys if each["kid"] == kid)
        raw = _decode(signature)
        pair = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
        _public_key(key).verify(pair, signed.encode(), ec.ECDSA(hashes.SHA256()))
    except (ValueError, KeyError, StopIteration):
        return "not one of our tokens"
    except InvalidSignature:
        return "its signature does not verify"
    if ends_at <= time.time():  # noqa: TID251 - a gateway has a clock of its own
        return "it is expired"
    return None


def _public_key(key: dict[str, str]) -> ec.EllipticCurvePublicKey:
    x, y = (int.from_bytes(_decode(key[name])) for name in ("x", "y"))
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
