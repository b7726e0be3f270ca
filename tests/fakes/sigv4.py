"""Signatures of Amazon's services, version 4, without an SDK."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

__all__ = ["AwsKeys", "signed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsKeys:
    """What requests are to be signed with."""

    access_key_id: str
    secret_access_key: str
    region: str


def signed(keys: AwsKeys, service: str, path: str, headers: Mapping[str, str], raw: bytes) -> str:
    """Return the `Authorization` that a POST like this has, if *keys* signed it (AWS, "Create a signed request")."""
    shown = headers.get("authorization", "")
    names = re.search(r"SignedHeaders=([a-z0-9;-]+)", shown)
    if names is None or not {"host", "x-amz-date"} <= set(names[1].split(";")):
        return ""
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{keys.region}/{service}/aws4_request"
    canonical = "\n".join(
        [
            "POST",
            # Encoded once more, as for every service but S3.
            quote(path, safe="/~"),
            "",
            *(f"{name}:{' '.join(headers[name].split())}" for name in names[1].split(";")),
            "",
            names[1],
            hashlib.sha256(raw).hexdigest(),
        ]
    )
    to_sign = "\n".join(
        ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()]
    )
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return (
        f"AWS4-HMAC-SHA256 Credential={keys.access_key_id}/{scope}, "
        f"SignedHeaders={names[1]}, Signature={signature}"
    )
