"""The settings of the provider `oauth`.

`providers.oauth` and its siblings talk to the authorization server.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from credward.settings.checks import origin_of
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.oauth_words import check_endpoint, check_parameters, check_ports
from credward.settings.references import Reference, refuse_literal
from credward.settings.subscriptions import refuse_server

__all__ = ["Settings"]

GrantType = Literal[
    "authorization_code",
    "device_code",
    "refresh_token",
    "client_credentials",
    "token_exchange",
    "jwt_bearer",
]
_SECRETS = ("client_secret", "private_key", "client_assertion", "subject_token", "assertion")
_ENDPOINTS = (
    "token_endpoint",
    "authorization_endpoint",
    "device_authorization_endpoint",
    "revocation_endpoint",
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An authorization server (*issuer*, or its endpoints), a client of it, and a grant type.

    *lifetime*, in seconds, counts if an answer has no expiry. The keys are
    those of RFC 6749, 7523, 7591, 8414, 8628, 8693, 8705 and 8707, and of OpenID Connect.
    """

    issuer: str | None = None
    token_endpoint: str | None = None
    authorization_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    revocation_endpoint: str | None = None
    client_id: str
    grant_type: GrantType = "authorization_code"
    scope: str | None = None
    resource: str | None = None
    audience: str | None = None
    token: Literal["access", "id"] = "access"  # noqa: S105 - which one, no token
    lifetime: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 20.0
    rotation_retry: bool = True
    dpop: bool = False
    # How the client proves who it is. A text is let through to `__post_init__`, which can say more.
    token_endpoint_auth_method: (
        Literal[
            "none", "client_secret_basic", "client_secret_post", "private_key_jwt",
            "tls_client_auth",
        ]
        | None
    ) = None  # fmt: skip
    client_secret: Reference | str | None = None
    private_key: Reference | str | None = None
    key_id: str | None = None
    client_assertion: Reference | str | None = None
    assertion_audience: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None
    # What is traded for a token.
    subject_token: Reference | str | None = None
    subject_token_type: str = "access_token"  # noqa: S105 - its type, no token
    requested_token_type: str | None = None
    assertion: Reference | str | None = None
    subject: str | None = None
    # How the browser comes back.
    redirect_ports: tuple[int, ...] = (0,)
    redirect_host: Literal["127.0.0.1", "localhost"] = "127.0.0.1"
    redirect_path: str = "/callback"
    authorization_parameters: dict[str, str] = {}

    def __post_init__(self) -> None:
        for name in _SECRETS:
            if (value := getattr(self, name)) is not None:
                refuse_literal(value)
        for name in ("issuer", *_ENDPOINTS):
            if (url := getattr(self, name)) is not None:
                check_endpoint(name, url)
                if self.for_user:
                    refuse_server(url)
        if not self.client_id:
            raise ValueError(
                "client_id is empty: set the name of this client at the authorization server"
            )
        self._check_places()
        self._check_client()
        self._check_grant()
        check_parameters(self.authorization_parameters)
        check_ports(self.redirect_ports)
        if not self.redirect_path.startswith("/"):
            raise ValueError('redirect_path begins with a slash, such as "/callback"')

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            server=self._server,
            base_urls=self._base_urls,
            grant=self._grant,
            files=self._files,
            timeout=self.timeout,
            lifetime=self.lifetime,
            free=("lifetime", "timeout", "rotation_retry"),
        )

    @property
    def urls(self) -> tuple[str, ...]:
        """Every URL that the configuration names itself."""
        found = (getattr(self, name) for name in ("issuer", *_ENDPOINTS))
        return tuple(url for url in found if url is not None)

    @property
    def _files(self) -> tuple[str, ...]:
        """The files of the client's certificate."""
        return tuple(path for path in (self.client_certificate, self.client_key) if path)

    @property
    def _server(self) -> str | None:
        """The authorization server."""
        return self.issuer or self.token_endpoint

    @property
    def for_user(self) -> bool:
        """Whether mints use a user's refresh token."""
        return self.grant_type in {"authorization_code", "device_code", "refresh_token"}

    @property
    def wants_id_token(self) -> bool:
        """Whether the ID token is handed out instead of the access token."""
        return self.token == "id"  # noqa: S105 - which one, no token

    @property
    def auth_method(self) -> str | None:
        """How the client proves who it is; None: by its secret, as the server wants it."""
        if self.token_endpoint_auth_method is not None:
            return self.token_endpoint_auth_method
        if self.client_assertion is not None or (
            self.private_key is not None and not self.signs_its_grant
        ):
            return "private_key_jwt"
        if self.client_secret is not None:
            return None
        return "none" if self.client_certificate is None else "tls_client_auth"

    @property
    def signs_its_grant(self) -> bool:
        """Whether *private_key* signs the traded assertion, not the client's proof."""
        return self.grant_type == "jwt_bearer" and self.assertion is None

    @property
    def _base_urls(self) -> tuple[str, ...]:
        """The resource if it is a URL, as RFC 8707 section 2 wants it."""
        resource = self.resource
        if self.wants_id_token or resource is None or origin_of(resource) is None:
            return ()
        return (resource,)

    @property
    def _grant(self) -> GrantTerms:
        """What its grant is; shared by all credentials that log in alike."""
        identity = (
            "issuer", *_ENDPOINTS, "client_id", "scope", "resource", "audience", "dpop",
        )  # fmt: skip
        logins: dict[str, tuple[Literal["browser", "device"], ...]] = {
            "authorization_code": ("browser", "device"),
            "device_code": ("device", "browser"),
        }
        if not self.for_user:
            return GrantTerms()
        return GrantTerms(
            rotation_retry=self.rotation_retry,
            identity=identity,
            # Scopes and audiences may differ among credentials that share it; these see the secret.
            presented=("issuer", "token_endpoint", "revocation_endpoint", "client_id"),
            rotating=True,
            logins=logins.get(self.grant_type, ()),
        )

    def _check_places(self) -> None:
        if self.issuer is not None:
            return
        if self.token_endpoint is None:
            raise ValueError('issuer is missing, such as "https://login.example.com"')
        needed = {
            "authorization_code": "authorization_endpoint",
            "device_code": "device_authorization_endpoint",
        }.get(self.grant_type)
        if needed is not None and getattr(self, needed) is None:
            raise ValueError(f'grant_type = "{self.grant_type}" needs issuer or {needed}')

    def _check_client(self) -> None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise ValueError("client_certificate and client_key go together: paths of PEM files")
        for name in ("client_certificate", "client_key"):
            path = getattr(self, name)
            if path is not None and not path.startswith(("/", "~/")):
                raise ValueError(f"{name} is an absolute path, or one that begins with ~/")
        if self.private_key is not None and self.client_assertion is not None:
            raise ValueError("private_key and client_assertion both prove the client: keep one")
        needed = {
            "client_secret_basic": ("client_secret",),
            "client_secret_post": ("client_secret",),
            "private_key_jwt": ("private_key", "client_assertion"),
            "tls_client_auth": ("client_certificate",),
        }.get(self.token_endpoint_auth_method or "", ())
        if needed and all(getattr(self, name) is None for name in needed):
            raise ValueError(
                f'token_endpoint_auth_method = "{self.token_endpoint_auth_method}" '
                f"needs {' or '.join(needed)}"
            )

    def _check_grant(self) -> None:
        if self.grant_type == "token_exchange" and self.subject_token is None:
            raise ValueError('grant_type = "token_exchange" needs subject_token')
        if self.signs_its_grant and self.private_key is None:
            raise ValueError('grant_type = "jwt_bearer" needs assertion, or private_key to sign it')
        if self.grant_type == "client_credentials" and self.auth_method == "none":
            raise ValueError(
                'grant_type = "client_credentials" needs client_secret, private_key, '
                "client_assertion or client_certificate"
            )
        if self.dpop and not self.for_user:
            # The token would be bound to a key that callers do not have.
            raise ValueError(
                f'dpop binds refresh tokens, grant_type = "{self.grant_type}" has none'
            )
