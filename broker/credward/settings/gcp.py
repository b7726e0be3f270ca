"""The settings of the provider `gcp`.

`providers.gcp` reads keys and asks Google.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

import msgspec

from credward.settings.checks import is_loopback
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.references import Reference, refuse_literal
from credward.settings.services import Service

__all__ = ["ADC_FILE", "AccessBoundaryRule", "AvailabilityCondition", "Settings", "Source"]

# Where `gcloud auth application-default login` stores it, unless variables say otherwise.
ADC_FILE = "~/.config/gcloud/application_default_credentials.json"

Source = Literal["adc", "metadata", "file", "key", "external_account", "login"]

# Google's limits: twelve hours if the organisation allows it, ten rules
# (cloud.google.com/iam/docs, "Create short-lived credentials" and "Downscope with CABs").
Lifetime = Annotated[int, msgspec.Meta(ge=60, le=43_200)]
_MAX_RULES = 10
_REGION = re.compile(r"[a-z0-9-]{1,63}")
_METADATA_HOSTS = frozenset({"metadata.google.internal", "169.254.169.254"})


class AvailabilityCondition(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a rule holds: an expression of the Common Expression Language."""

    expression: str
    title: str | None = None
    description: str | None = None


class AccessBoundaryRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a downscoped token may still do; the words are those of Google's JSON."""

    availableResource: str  # noqa: N815 - the vendor's name
    availablePermissions: tuple[str, ...]  # noqa: N815
    availabilityCondition: AvailabilityCondition | None = None  # noqa: N815

    def __post_init__(self) -> None:
        if not self.availablePermissions or any(
            not each.startswith("inRole:") for each in self.availablePermissions
        ):
            raise ValueError(
                'availablePermissions are roles, such as ["inRole:roles/storage.objectViewer"]'
            )


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a Google credential comes from, whom it impersonates, and what it is narrowed to.

    *lifetime* of an impersonated token and *timeout* of a request or a program are in seconds.
    *scopes* empty: cloud-platform, or for a user what the login was given. *project* and *region*
    are for clients that are set up with this credential; *region* also says where a token may be
    sent.
    """

    source: Literal["adc", "metadata"] | None = None
    metadata_host: str | None = None
    credentials_file: str | None = None
    # Strings reach `__post_init__`, whose message is better than "expected object".
    service_account_key: Reference | str | None = None
    external_account: dict[str, Any] | None = None
    subject_token: Reference | str | None = None
    allow_executable: bool = False
    client_id: str | None = None
    client_secret: Reference | str | None = None
    account: str | None = None
    impersonate_service_account: str | None = None
    delegates: tuple[str, ...] = ()
    lifetime: Lifetime | None = None
    scopes: tuple[str, ...] = ()
    token: Literal["access", "id"] = "access"  # noqa: S105 - a kind
    audience: str | None = None
    access_boundary: tuple[AccessBoundaryRule, ...] = ()
    project: str | None = None
    region: str | None = None
    quota_project: str | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=120)] = 20.0

    def __post_init__(self) -> None:
        _check_sources(self)
        _check_impersonation(self)
        _check_narrowing(self)

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            service=self._service,
            region=self.region,
            project=self.project,
            server=self._server,
            base_urls=self._base_urls,
            grant=self._grant,
            kept_by={"adc": "Application Default Credentials"}.get(self.origin, ""),
            files=self._files,
            timeout=self.timeout,
            lifetime=self.lifetime,
            free=("lifetime", "project", "timeout"),
        )

    @property
    def origin(self) -> Source:
        """The one place that the credential comes from."""
        if self.credentials_file is not None:
            return "file"
        if self.service_account_key is not None:
            return "key"
        if self.external_account is not None:
            return "external_account"
        if self.client_id is not None:
            return "login"
        return self.source or "adc"

    @property
    def _base_urls(self) -> tuple[str, ...]:
        """The endpoint of Vertex AI in *region* (cloud.google.com/vertex-ai, "Locations")."""
        match self.region:
            case None:
                return ()
            case "global":
                host = "aiplatform"
            case "us" | "eu":
                host = f"aiplatform.{self.region}.rep"
            case _:
                host = f"{self.region}-aiplatform"
        return (f"https://{host}.googleapis.com",) if self.token == "access" else ()  # noqa: S105

    @property
    def _files(self) -> tuple[str, ...]:
        """The credentials file: the named one, or where gcloud stores it."""
        if self.origin == "adc":
            return (ADC_FILE,)
        return () if self.credentials_file is None else (self.credentials_file,)

    @property
    def _server(self) -> str | None:
        """The server that is asked: Google or a metadata server; unknown for other issuers."""
        if self.origin == "metadata":
            return self.metadata_host or "metadata"
        return None if self.origin == "external_account" else "google"

    @property
    def _service(self) -> Service | None:
        """Google's APIs take access tokens; an ID token is for its audience."""
        return Service.GOOGLE if self.token == "access" else None  # noqa: S105 - a kind

    @property
    def _grant(self) -> GrantTerms:
        """Its own login keeps a refresh token, which Google does not rotate."""
        if self.origin != "login":
            return GrantTerms()
        return GrantTerms(identity=("client_id", "account"), logins=("browser",))


def _check_sources(settings: Settings) -> None:
    names = ("source", "credentials_file", "service_account_key", "external_account", "client_id")
    named = [name for name in names if getattr(settings, name) is not None]
    if len(named) > 1:
        raise ValueError(f"a credential has one source, not {' and '.join(named)}: keep one")
    for secret in (settings.service_account_key, settings.client_secret, settings.subject_token):
        if secret is not None:
            refuse_literal(secret)
    path = settings.credentials_file
    if path is not None and not path.startswith(("/", "~/")):
        raise ValueError("credentials_file is an absolute path, or one that begins with ~/")
    if settings.client_id is None:
        if settings.client_secret is not None or settings.account is not None:
            raise ValueError("client_secret and account need a login: set client_id")
    elif settings.client_secret is None:
        raise ValueError("client_id needs client_secret, even for a desktop client")
    if settings.region is not None and not _REGION.fullmatch(settings.region):
        raise ValueError("region is such as europe-west1, or global")
    if settings.metadata_host is not None:
        _check_metadata_host(settings)
    if settings.external_account is not None:
        _check_external_account(settings.external_account)
    if settings.subject_token is not None:
        _check_subject_token(settings.external_account)


def _check_metadata_host(settings: Settings) -> None:
    assert settings.metadata_host is not None
    if settings.source != "metadata":
        raise ValueError('metadata_host belongs to source = "metadata"')
    host, _, port = settings.metadata_host.partition(":")
    if port and not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        host = ""
    if host not in _METADATA_HOSTS and not is_loopback(host):
        raise ValueError(
            "metadata_host is metadata.google.internal, 169.254.169.254, or HOST:PORT on loopback"
        )


def _check_external_account(info: dict[str, Any]) -> None:
    if info.get("type") != "external_account":
        raise ValueError(
            'external_account needs the content of Google\'s JSON, type = "external_account"'
        )
    source = info.get("credential_source")
    headers = source.get("headers") if isinstance(source, dict) else None
    if "client_secret" in info or (
        isinstance(headers, dict) and "authorization" in {str(name).lower() for name in headers}
    ):
        raise ValueError(
            "external_account holds a secret written out: keep the JSON in a file of mode 0600 "
            "and name it in credentials_file"
        )


def _check_subject_token(info: dict[str, Any] | None) -> None:
    if info is None:
        raise ValueError("subject_token needs external_account, which says what it is traded for")
    if "credential_source" in info:
        raise ValueError("subject_token and credential_source both say where it is: keep one")


def _check_impersonation(settings: Settings) -> None:
    names = [*settings.delegates]
    if settings.impersonate_service_account is not None:
        names.append(settings.impersonate_service_account)
    elif settings.delegates or settings.lifetime is not None:
        raise ValueError("delegates and lifetime need impersonate_service_account")
    for name in names:
        # It becomes part of a path.
        if not name or not name.isascii() or set(name) & set("/:?#% ") or not name.isprintable():
            raise ValueError(
                "a service account is named by its address, such as agent@PROJECT.iam."
                "gserviceaccount.com"
            )


def _check_narrowing(settings: Settings) -> None:
    if any(not scope or " " in scope for scope in settings.scopes):
        raise ValueError("scopes are URLs, one per element of the list")
    if len(settings.access_boundary) > _MAX_RULES:
        raise ValueError(f"access_boundary has at most {_MAX_RULES} rules")
    if settings.token == "access":  # noqa: S105
        if settings.audience is not None:
            raise ValueError('audience is for ID tokens: set token = "id" too')
        return
    if settings.access_boundary:
        raise ValueError('access_boundary is only for access tokens: remove it, or token = "id"')
    if settings.audience is None and settings.origin != "login":
        raise ValueError('token = "id" needs audience, the receiver of the token')
