"""The settings of the provider `vault`: where, how to log in, what to read.

`providers.vault` logs in, reads and renews; HashiCorp Vault and OpenBao are treated the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from credward.settings.checks import check_server_url
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.references import Reference, refuse_literal
from credward.settings.services import Service

__all__ = ["POD_TOKEN", "TOKEN_FILE", "AuthMethod", "Settings"]

# Where every pod finds its own JWT, unless a reference says otherwise.
POD_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105 - a path
# Where the vendors' `login` commands store their token.
TOKEN_FILE = "~/.vault-token"  # noqa: S105 - a path

AuthMethod = Literal[
    "token",
    "approle",
    "kubernetes",
    "jwt",
    "oidc",
    "userpass",
    "ldap",
    "cert",
    "aws",
    "gcp",
    "azure",
]
_SECRETS = ("token", "secret_id", "password")
# These may hold the name of a credential: plain text is not a secret there.
_CREDENTIALS = ("jwt", "aws_credentials")


class _Words(msgspec.Struct, frozen=True, kw_only=True):
    """Which settings a login method needs, and which others it takes."""

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()


_WORDS: Mapping[AuthMethod, _Words] = {
    "token": _Words(takes=("token",)),
    "approle": _Words(needs=("role_id",), takes=("secret_id", "secret_id_wrapped")),
    "kubernetes": _Words(needs=("role",), takes=("jwt",)),
    "jwt": _Words(needs=("jwt",), takes=("role",)),
    "oidc": _Words(takes=("role", "oidc_port")),
    "userpass": _Words(needs=("username", "password")),
    "ldap": _Words(needs=("username", "password")),
    "cert": _Words(needs=("client_cert", "client_key"), takes=("role",)),
    "aws": _Words(needs=("aws_credentials",), takes=("role", "auth_parameters")),
    "gcp": _Words(needs=("role", "jwt")),
    "azure": _Words(needs=("role", "jwt"), takes=("auth_parameters",)),
}
# What identifies this login: credentials that agree in it share it.
_IDENTITY = (
    "address",
    "namespace",
    "auth_method",
    "auth_mount",
    "role",
    "role_id",
    "secret_id",
    "jwt",
    "token",
    "username",
    "client_cert",
    "aws_credentials",
)
_LOGIN_WORDS = {word for each in _WORDS.values() for word in (*each.needs, *each.takes)}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One secret of a server; without *path*, the server's own token.

    *address* and *namespace* default to the variables of the vendors' command lines. *kv_version*
    None: read from the mount. *revoke_on_drop*: what is no longer handed out is revoked upstream
    and does not just expire. *refresh_interval* (seconds): when to read a secret without an end
    again; 0: never by itself.
    """

    address: str | None = None
    namespace: str | None = None
    auth_method: AuthMethod = "token"
    auth_mount: str | None = None
    role: str | None = None
    role_id: Reference | str | None = None
    secret_id: Reference | str | None = None
    secret_id_wrapped: bool = False
    jwt: Reference | str | None = None
    token: Reference | str | None = None
    username: str | None = None
    password: Reference | str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    aws_credentials: Reference | str | None = None
    auth_parameters: dict[str, str] = {}
    oidc_port: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 8250
    path: str | None = None
    mount_point: str | None = None
    field: str | None = None
    kind: Literal["bearer", "api-key", "basic"] | None = None
    kv_version: Literal[1, 2] | None = None
    data: dict[str, Any] = {}
    revoke_on_drop: bool = False
    refresh_interval: Annotated[float, msgspec.Meta(ge=0, le=31_536_000)] = 300.0
    timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0

    def __post_init__(self) -> None:
        for name in _SECRETS:
            if (value := getattr(self, name)) is not None:
                refuse_literal(value)
        for name in _CREDENTIALS:
            if isinstance(value := getattr(self, name), str):
                # One shape from here on, also for a worker.
                msgspec.structs.force_setattr(self, name, _credential(name, value))
        self._check_login()
        self._check_path()
        if self.address is not None:
            check_server_url("address", self.address, "https://vault.example.com:8200")
            if "?" in self.address:
                raise ValueError("address is a URL without a query")

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            service=self._service,
            server=self._server,
            base_urls=self._base_urls,
            grant=self._grant,
            files=self._files,
            kept_by="what made its token" if self.auth_method == "token" else "",
            timeout=self.timeout,
            kind=self.kind,
            comes_from="" if self.path is None else f"the secret at {self.path} of the server",
            free=("revoke_on_drop", "refresh_interval", "timeout"),
        )

    @property
    def mount(self) -> str:
        """The mount of the auth method; by default its own name."""
        return (self.auth_mount or self.auth_method).strip("/")

    @property
    def _files(self) -> tuple[str, ...]:
        """The files of the client's certificate, and of a default login."""
        found = [path for path in (self.client_cert, self.client_key) if path is not None]
        if self.auth_method == "token" and self.token is None:
            found.append(TOKEN_FILE)
        if self.auth_method == "kubernetes" and self.jwt is None:
            found.append(POD_TOKEN)
        return tuple(found)

    @property
    def _server(self) -> str:
        """Its address; empty: from the environment of the daemon."""
        return self.address or ""

    @property
    def login_identity(self) -> Mapping[str, Any]:
        """What identifies this login, as plain words."""
        words: dict[str, Any] = msgspec.to_builtins({n: getattr(self, n) for n in _IDENTITY})
        return words

    @property
    def _base_urls(self) -> tuple[str, ...]:
        """The server, for its own token; unknown for secrets that are read there."""
        return (self.address,) if self.path is None and self.address is not None else ()

    @property
    def _service(self) -> Service | None:
        """The server, for its own token; unknown for secrets that are read there."""
        return Service.VAULT if self.path is None else None

    @property
    def _grant(self) -> GrantTerms:
        """Login and leases are kept and extended, except for a static secret with a given token."""
        if self.auth_method == "token" and (self.path is None or self.kv_version is not None):
            return GrantTerms()
        return GrantTerms(
            identity=_IDENTITY,
            # The kept state names its login itself, with the address from the environment.
            presented=(),
            rotating=True,
            logins=("browser",) if self.auth_method == "oidc" else (),
            revoke_on_drop=self.revoke_on_drop,
        )

    def _check_login(self) -> None:
        words = _WORDS[self.auth_method]
        for name in words.needs:
            if getattr(self, name) is None:
                raise ValueError(f'auth_method = "{self.auth_method}" needs {name}')
        defaults = dict(zip(self.__struct_fields__, self.__struct_defaults__, strict=True))
        for name in sorted(_LOGIN_WORDS.difference(words.needs, words.takes)):
            value = getattr(self, name)
            if value is not None and value not in (False, {}) and value != defaults[name]:
                raise ValueError(f'{name} is not for auth_method = "{self.auth_method}"')
        if self.secret_id_wrapped and self.secret_id is None:
            raise ValueError("secret_id_wrapped needs secret_id, which holds the wrapping token")

    def _check_path(self) -> None:
        if self.path is None:
            for name in ("mount_point", "field", "kv_version", "kind"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name} needs path: without path the token itself is handed out"
                    )
            if self.data:
                raise ValueError("data needs path: without path the token itself is handed out")
            self._check_drop()
            return
        self._check_drop()
        if self.data and self.kv_version is not None:
            raise ValueError("data is for engines that make secrets: remove it or kv_version")
        for name in ("path", "mount_point", "auth_mount", "namespace"):
            value = getattr(self, name)
            if value is not None and not _is_path(value):
                raise ValueError(f'{name} is a path such as "secret/llm"')
        if self.mount_point is not None:
            mount = self.mount_point.strip("/") + "/"
            if not self.path.lstrip("/").startswith(mount):
                raise ValueError(f'path begins with its mount_point "{mount}"')

    def _check_drop(self) -> None:
        if self.revoke_on_drop and not self._grant.rotating:
            raise ValueError(
                "revoke_on_drop is for leases and logins: a given token and what is stored stay"
            )


def _credential(name: str, text: str) -> Reference:
    if not text or any(character in text for character in "/. \n") or len(text) > 64:
        raise ValueError(
            f"{name} is the name of another credential, or a reference such as "
            '{ file = "/path" } or { env = "NAME" }'
        )
    return Reference(credential=text)


def _is_path(text: str) -> bool:
    segments = text.strip("/").split("/")
    return text.isprintable() and not {"", ".", ".."}.intersection(segments) and "?" not in text
