"""The settings of the provider `entra`: Microsoft Entra ID, in Microsoft's words.

Words and their combinations only; `providers.entra` talks to Entra ID.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from credward.settings.checks import check_program, json_object, origin_of
from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.references import Reference, refuse_literal
from credward.settings.services import Service

__all__ = ["FOUNDRY_SCOPES", "ManagedIdentity", "Settings", "Way", "is_graph"]

Way = Literal["user", "application", "managed_identity", "az"]

# learn.microsoft.com, "National clouds": the sign-in host of each.
_HOSTS = {
    "public": "login.microsoftonline.com",
    "usgov": "login.microsoftonline.us",
    "china": "login.partner.microsoftonline.cn",
}
# The audiences for Claude in Foundry, the default first: Anthropic's documents and SDKs name the
# first, Microsoft's page and the service's 401 also the other.
FOUNDRY_SCOPES = (
    "https://ai.azure.com/.default",
    "https://cognitiveservices.azure.com/.default",
)
# The addresses of one Foundry resource: first that of Anthropic's documents and clients, then
# Microsoft's older ones; behind private endpoints there may be only those.
_FOUNDRY_DOMAINS = ("services.ai.azure.com", "cognitiveservices.azure.com", "openai.azure.com")
_FOUNDRY_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9-]{1,63}$")
_GUID = re.compile(r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")
_TENANT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9.-]*$")
# Tenants for any account: an application has no service principal there.
_SHARED_TENANTS = frozenset({"common", "organizations", "consumers"})
# Scopes of every sign-in (OpenID Connect Core 1.0, sections 3.1.2.1 and 11).
_SIGN_IN_SCOPES = frozenset({"openid", "profile", "email", "offline_access"})
_GRAPH_HOSTS = (
    "graph.microsoft.com",
    "graph.microsoft.us",
    "dod-graph.microsoft.us",
    "microsoftgraph.chinacloudapi.cn",
)
# The hosts of the APIs of Azure and Microsoft 365 (learn.microsoft.com, "National clouds", and
# "Azure services that support managed identities").
_OWN_DOMAINS = (
    "azure.com", "azure.net", "windows.net", "microsoft.com", "office.com", "office365.com",
    "sharepoint.com", "azure.us", "usgovcloudapi.net", "microsoft.us", "azure.cn",
    "chinacloudapi.cn",
)  # fmt: skip
_GRAPH_ID = "00000003-0000-0000-c000-000000000000"
_SECRETS = ("client_secret", "client_certificate", "client_assertion")
_WAYS = (*_SECRETS, "federated", "managed_identity", "source")


class ManagedIdentity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One user-assigned identity, by exactly one of its names."""

    client_id: str | None = None
    object_id: str | None = None
    resource_id: str | None = None

    def __post_init__(self) -> None:
        if sum(bool(getattr(self, field)) for field in self.__struct_fields__) != 1:
            raise ValueError(
                "managed_identity is true, or names client_id, object_id or resource_id"
            )


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A token of Entra ID, obtained in exactly one way.

    The ways: an application by *client_secret*, *client_certificate* (PEM of certificate and key),
    *client_assertion* (a JWT made elsewhere) or *federated* (this job of GitHub Actions), each also
    *on_behalf_of* a user's token; *managed_identity*; *source* (`az` or its path); else a user who
    logs in by *flow*, which may also be set beside an application's proof. *timeout* is in seconds.
    """

    tenant: str | None = None
    client_id: str | None = None
    cloud: Literal["public", "usgov", "china"] = "public"
    authority: str | None = None
    scope: str | None = None
    resource: str | None = None
    token: Literal["access", "id"] = "access"  # noqa: S105 - a word, not a token
    flow: Literal["browser", "device"] | None = None
    account: str | None = None
    client_secret: Reference | str | None = None
    client_certificate: Reference | str | None = None
    client_assertion: Reference | str | None = None
    federated: Literal["github"] | None = None
    on_behalf_of: Reference | str | None = None
    managed_identity: bool | ManagedIdentity = False
    source: str | None = None
    claims: str | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0

    def __post_init__(self) -> None:
        for field in (*_SECRETS, "on_behalf_of"):
            if (value := getattr(self, field)) is not None:
                refuse_literal(value)
        chosen = self._chosen()
        if len(chosen) > 1:
            raise ValueError(
                f"{' and '.join(chosen)} are several ways to a token: keep one of "
                f"{', '.join(_WAYS)}, or none of them for a user who logs in"
            )
        self._check_place()
        match self.way:
            case "user":
                self._check_user()
            case "application":
                self._check_application()
            case "managed_identity":
                self._check_managed_identity()
            case "az":
                self._check_az()
        if self.token == "id" and self.way != "user":  # noqa: S105
            raise ValueError('token = "id" needs a user who logs in: an application has none')
        if self.token == "access" or self.scope or self.resource:  # noqa: S105
            self._check_scopes()
        self._check_claims()

    # --- what they mean --------------------------------------------------------------------------

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            service=self._service,
            server=self._server,
            base_urls=self._base_urls,
            grant=self._grant,
            kept_by="the Azure CLI" if self.source is not None else "",
            audiences=self._audiences,
            refuse_base_urls=self._refuse_base_urls,
            timeout=self.timeout,
            free=("timeout",),
        )

    @property
    def way(self) -> Way:
        """How the token is obtained."""
        if self.source is not None:
            return "az"
        if self.managed_identity:
            return "managed_identity"
        return "application" if self.proves and self.flow is None else "user"

    @property
    def proves(self) -> bool:
        """Whether the application proves itself, for its own token or in a user's login."""
        return self.federated is not None or any(getattr(self, field) for field in _SECRETS)

    @property
    def authority_url(self) -> str:
        """The authority as Microsoft's libraries want it: `https://HOST/TENANT`."""
        base = (self.authority or f"https://{_HOSTS[self.cloud]}").rstrip("/")
        return f"{base}/{self.tenant}" if self.tenant else base

    @property
    def _server(self) -> str | None:
        """The server that is asked; unknown for `az` and the platform."""
        return self.authority_url if self.way in {"user", "application"} else None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes to ask for; none for only an ID token."""
        if self.scope is not None:
            # The sign-in scopes are always requested; msal refuses them if they are named.
            return tuple(each for each in self.scope.split() if each not in _SIGN_IN_SCOPES)
        if self.resource is None:
            return ()
        return (FOUNDRY_SCOPES[0],) if self.foundry else (f"{self.resource}/.default",)

    @property
    def foundry(self) -> bool:
        """Whether *resource* is the name of a Foundry resource, not an audience."""
        return (
            self.resource is not None
            and _FOUNDRY_NAME.match(self.resource) is not None
            and _GUID.match(self.resource) is None
        )

    @property
    def _base_urls(self) -> tuple[str, ...]:
        """The addresses of the Foundry resource; an audience names no host."""
        if not self.foundry or self.cloud != "public":
            return ()
        return tuple(f"https://{self.resource}.{domain}" for domain in _FOUNDRY_DOMAINS)

    @property
    def _service(self) -> Service | None:
        """Foundry and Microsoft's other services; unknown for your own application."""
        if not self.scopes or self.token == "id":  # noqa: S105 - a word, not a token
            return None
        if self.foundry or any(scope in FOUNDRY_SCOPES for scope in self.scopes):
            return Service.FOUNDRY
        own = (is_graph(scope) or _is_microsofts(scope) for scope in self.scopes)
        return Service.MICROSOFT if any(own) else None

    @property
    def _audiences(self) -> tuple[str, ...]:
        """The audiences that callers may name without `serve.audiences`: not more than is granted.

        Those with all their permissions requested, and for Foundry both documented ones.
        """
        served = FOUNDRY_SCOPES if self.foundry and self.cloud == "public" else self.scopes
        whole = (scope for scope in served if scope.endswith("/.default"))
        return tuple(scope.removesuffix("/.default") for scope in whole)

    @property
    def _grant(self) -> GrantTerms:
        """A user's refresh token: it may be replaced at each mint."""
        if self.way != "user":
            return GrantTerms()
        return GrantTerms(
            identity=("tenant", "authority", "cloud", "client_id", "account"),
            # One login may be good in several tenants of the same authority.
            presented=("authority", "cloud", "client_id"),
            rotating=True,
            logins=self._logins(),
        )

    def _logins(self) -> tuple[Literal["browser", "device"], ...]:
        if self.proves:
            # Device codes are for public clients.
            return ("browser",)
        return ("device", "browser") if self.flow == "device" else ("browser", "device")

    def _refuse_base_urls(self, base_urls: tuple[str, ...]) -> None:
        """Refuse a token for Microsoft Graph if its base URL is another host.

        A gateway cannot verify such a token: it is signed only for Graph.
        """
        if self.foundry and not base_urls:
            raise ValueError(
                f"the hosts of Foundry in cloud {self.cloud} are not documented: set base_url"
            )
        if self.token == "id" or not any(is_graph(scope) for scope in self.scopes):  # noqa: S105
            return
        for base_url in base_urls:
            host = (urlsplit(base_url).hostname or "").lower()
            if host not in _GRAPH_HOSTS:
                raise ValueError(
                    f"a token with this scope is for Microsoft Graph, which {host} cannot verify: "
                    'set scope = "api://APPLICATION-ID-OF-THE-GATEWAY/.default"'
                )

    # --- checks ----------------------------------------------------------------------------------

    def _check_place(self) -> None:
        if self.tenant is not None and not _TENANT.match(self.tenant):
            raise ValueError("tenant is a domain such as contoso.com, or the tenant's id")
        if self.authority is None:
            return
        if self.cloud != "public":
            raise ValueError("authority and cloud both name the host: keep one of them")
        origin = origin_of(self.authority)
        if origin is None or origin[0] != "https" or {"?", "#"} & set(self.authority):
            raise ValueError("authority is an https URL such as https://login.microsoftonline.us")
        if urlsplit(self.authority).path.strip("/") and self.tenant is not None:
            raise ValueError("authority ends in a tenant already: leave tenant out")

    def _check_home(self) -> None:
        """A tenant and a client are needed wherever Entra ID is asked directly."""
        if self.client_id is None:
            raise ValueError("client_id is missing: the application's id in the tenant")
        if not _TENANT.match(self.client_id):
            raise ValueError("client_id is the application's id, a GUID")
        parts = urlsplit(self.authority or "")
        own_tenant = parts.path.strip("/") or (parts.hostname or "").endswith(".ciamlogin.com")
        if self.tenant is None and not own_tenant:
            raise ValueError("tenant is missing: a domain such as contoso.com, or the tenant's id")

    def _check_user(self) -> None:
        self._check_home()
        if self.on_behalf_of is not None:
            raise ValueError(
                f"on_behalf_of needs the application's own proof: {', '.join(_SECRETS)} "
                "or federated, and no flow"
            )
        if self.proves and self.flow == "device":
            raise ValueError(
                f'flow = "device" is for public clients: leave {self._chosen()[0]} out, '
                'or set flow = "browser"'
            )

    def _check_application(self) -> None:
        self._check_home()
        self._refuse("account")
        if self.tenant in _SHARED_TENANTS:
            raise ValueError(
                f'tenant = "{self.tenant}" has no applications of its own: name the tenant'
            )
        if self.on_behalf_of is None:
            self._need_default_scope("an application")

    def _check_managed_identity(self) -> None:
        self._refuse("flow", "account", "tenant", "authority", "on_behalf_of", "claims")
        if self.client_id is not None and self.managed_identity is not True:
            raise ValueError("client_id and managed_identity name different identities: keep one")
        if len(self.scopes) > 1:
            raise ValueError("a managed identity needs a scope of one audience")
        self._need_default_scope("a managed identity")

    def _check_az(self) -> None:
        self._refuse("flow", "account", "client_id", "authority", "on_behalf_of", "claims")
        if self.cloud != "public":
            raise ValueError("cloud is chosen in az itself: run az cloud set, and leave it out")
        source = self.source or ""
        if source != "az" and not source.startswith(("/", "~/")):
            raise ValueError('source is "az", or the full path of that program')
        check_program((source,))

    def _check_scopes(self) -> None:
        if self.scope is not None and self.resource is not None:
            if not self.foundry:
                raise ValueError("scope and resource both name the audience: keep scope")
            if self.cloud == "public" and self.scope not in FOUNDRY_SCOPES:
                raise ValueError(
                    "Foundry takes tokens of these audiences only, so leave scope out or set "
                    f"{' or '.join(FOUNDRY_SCOPES)}"
                )
        if not self.scopes:
            raise ValueError(
                'scope is missing: whom the token is for, such as "api://litellm/.default" '
                '(or resource, or token = "id")'
            )
        if self.foundry and self.scope is None and self.cloud != "public":
            raise ValueError(
                f"the audience of Foundry in cloud {self.cloud} is not documented: set scope"
            )

    def _check_claims(self) -> None:
        if self.claims is not None and json_object(self.claims) is None:
            raise ValueError("claims must be a JSON object, as in a claims challenge")

    def _refuse(self, *fields: str) -> None:
        for field in fields:
            if getattr(self, field) is not None:
                chosen = self._chosen()[0]
                raise ValueError(f"{field} cannot be used with {chosen}: remove one of them")

    def _chosen(self) -> list[str]:
        return [field for field in _WAYS if getattr(self, field) not in {None, False}]

    def _need_default_scope(self, who: str) -> None:
        # A resource always becomes one that does.
        for scope in self.scopes:
            if not scope.endswith("/.default"):
                raise ValueError(f"{who} cannot choose its permissions: end scope in /.default")


def _is_microsofts(scope: str) -> bool:
    """Return whether *scope* is of an API on one of Microsoft's own domains."""
    host = (urlsplit(scope).hostname or "").lower()
    return any(host == domain or host.endswith(f".{domain}") for domain in _OWN_DOMAINS)


def is_graph(scope: str) -> bool:
    """Return whether a token with this *scope* is for Microsoft Graph.

    A scope without a resource, such as `User.Read`, is one of Graph's.
    """
    resource, slash, _ = scope.rpartition("/")
    if not slash:
        return True
    host = (urlsplit(resource).hostname or resource).lower().rstrip("/")
    return host in _GRAPH_HOSTS or host == _GRAPH_ID
