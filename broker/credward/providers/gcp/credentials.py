"""Makes google-auth's credentials from the JSON of a source, with their impersonation.

Nothing is sent here; refreshing and narrowing is `tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from google.auth import aws, credentials, external_account_authorized_user, identity_pool
from google.auth.exceptions import GoogleAuthError
from google.auth.identity_pool import SubjectTokenSupplier
from google.oauth2 import credentials as user_credentials
from google.oauth2 import service_account

from credward.errors import BrokerError, Kind
from credward.named_files import check_file
from credward.providers.gcp.executable import ExecutableSupplier
from credward.providers.provider import Io

__all__ = [
    "CLOUD_PLATFORM",
    "TOKEN_URL",
    "External",
    "Hop",
    "Identity",
    "make_identity",
    "make_user",
]

CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

_AWS = "urn:ietf:params:aws:token-type:aws4_request"
_IMPERSONATION_URL = re.compile(r"/serviceAccounts/([^/:?#% ]+):generateAccessToken$")


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One impersonation; *lifetime* in seconds, *endpoint* the URL where a file names it."""

    principal: str
    delegates: tuple[str, ...] = ()
    lifetime: int | None = None
    endpoint: str | None = None


class External(msgspec.Struct, frozen=True, kw_only=True):
    """How the subject token of an external account may be had, besides what its JSON says.

    *supplier* has it where the settings say, then the JSON does not.
    """

    allow_executable: bool
    supplier: SubjectTokenSupplier | None = None


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who it is before anyone is impersonated, and the impersonations in their order."""

    source: credentials.Credentials
    info: Mapping[str, Any]
    hops: tuple[Hop, ...] = ()


def make_identity(
    credential: str,
    info: Mapping[str, Any],
    scopes: Sequence[str],
    *,
    io: Io,
    external: External,
) -> Identity:
    """Return the identity that *info* describes, or raise `fix-configuration`.

    *scopes* empty: cloud-platform where scopes must be asked for.
    """
    try:
        identity = _make(credential, info, scopes, io, external)
    except (GoogleAuthError, AttributeError, KeyError, TypeError, ValueError):
        # Outside of it, so that the error, which may quote a key, is not even its context.
        identity = None
    if identity is not None:
        return identity
    raise _misconfigured(
        credential,
        f"cannot use its {_kind(info)} JSON, which is incomplete or damaged: "
        "download it again, or write it again with gcloud",
    )


def make_user(
    info: Mapping[str, Any], refresh_token: str, scopes: Sequence[str]
) -> user_credentials.Credentials:
    """Return the credentials of a user; *scopes* empty: all that the login was given."""
    return user_credentials.Credentials(
        None,
        refresh_token=refresh_token,
        token_uri=TOKEN_URL,
        client_id=info["client_id"],
        client_secret=info["client_secret"],
        scopes=list(scopes) or None,
        quota_project_id=info.get("quota_project_id"),
        rapt_token=info.get("rapt_token"),
    )


def _make(
    credential: str,
    info: Mapping[str, Any],
    scopes: Sequence[str],
    io: Io,
    external: External,
) -> Identity:
    needed = list(scopes) or [CLOUD_PLATFORM]
    source: credentials.Credentials
    match info.get("type"):
        case "service_account":
            source = service_account.Credentials.from_service_account_info(info, scopes=needed)
        case "authorized_user":
            source = make_user(info, info["refresh_token"], scopes)
        case "external_account_authorized_user":
            source = external_account_authorized_user.Credentials.from_info(info)
        case "external_account":
            return _make_external(credential, info, needed, io, external)
        case "impersonated_service_account":
            inner = _make(
                credential,
                info["source_credentials"],
                # Narrowed is what the account at the end gets.
                (),
                io,
                external,
            )
            hop = Hop(
                principal=_principal(info["service_account_impersonation_url"]),
                delegates=tuple(info.get("delegates") or ()),
            )
            return Identity(source=inner.source, info=inner.info, hops=(*inner.hops, hop))
        case _:
            raise _misconfigured(
                credential,
                f"cannot use {_kind(info)} JSON: name a service account key, a workload identity "
                "configuration, or what gcloud auth application-default login wrote",
            )
    return Identity(source=source, info=info)


def _make_external(
    credential: str,
    info: Mapping[str, Any],
    scopes: Sequence[str],
    io: Io,
    external: External,
) -> Identity:
    """Workload identity federation (google.aip.dev/auth/4117): its four kinds of source, ours."""
    hops: tuple[Hop, ...] = ()
    plain = dict(info)
    if (url := plain.pop("service_account_impersonation_url", None)) is not None:
        options = plain.pop("service_account_impersonation", None) or {}
        lifetime = options.get("token_lifetime_seconds")
        hops = (Hop(principal=_principal(url), lifetime=lifetime, endpoint=url),)
    source: credentials.Credentials
    if external.supplier is not None:
        source = identity_pool.Credentials.from_info(
            plain, scopes=scopes, subject_token_supplier=external.supplier
        )
    elif info.get("subject_token_type") == _AWS:
        source = aws.Credentials.from_info(plain, scopes=scopes)
    elif "executable" in info["credential_source"]:
        if not external.allow_executable:
            raise _misconfigured(
                credential,
                "would run the program of its external account: set allow_executable = true if "
                "that is meant",
            )
        plain["service_account_email"] = hops[0].principal if hops else None
        supplier = ExecutableSupplier(credential, plain, io)
        del plain["credential_source"]
        source = identity_pool.Credentials.from_info(
            plain, scopes=scopes, subject_token_supplier=supplier
        )
    else:
        if path := info["credential_source"].get("file"):
            _check_file(credential, path)
        source = identity_pool.Credentials.from_info(plain, scopes=scopes)
    return Identity(source=source, info=info, hops=hops)


def _check_file(credential: str, path: str) -> None:
    """Refuse what would hold the library, which opens the file itself."""
    try:
        check_file(path)
    except OSError as error:
        raise _misconfigured(
            credential,
            f"finds no subject token in {path} ({error.strerror}): correct credential_source.file",
        ) from error


def _principal(url: str) -> str:
    if (found := _IMPERSONATION_URL.search(url)) is None:
        raise ValueError
    return found[1]


def _kind(info: Mapping[str, Any]) -> str:
    kind = info.get("type")
    # Out of a file that may be any other.
    known = {
        "service_account", "authorized_user", "external_account", "impersonated_service_account",
        "external_account_authorized_user", "gdch_service_account",
    }  # fmt: skip
    return kind if isinstance(kind, str) and kind in known else "this"


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}')
