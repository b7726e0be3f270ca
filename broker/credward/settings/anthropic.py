"""The settings of the provider `anthropic`: one of three ways to the Claude API.

`providers.anthropic` does the work. Subscription logins of Claude.ai are not allowed, see
`subscriptions`.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec

from credward.settings.checks import check_program, check_server_url
from credward.settings.meaning import Meaning
from credward.settings.references import Reference, refuse_literal
from credward.settings.services import Service

__all__ = ["Settings"]

_API = "https://api.anthropic.com"
_TOKEN_PATH = "/v1/oauth/token"  # noqa: S105 - of an address
_TOKEN_URL = _API + _TOKEN_PATH
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PROFILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
_WORKSPACE_ID = re.compile(r"wrkspc_[A-Za-z0-9_-]{0,121}")
_FEDERATION = (
    "federation_rule_id",
    "organization_id",
    "service_account_id",
    "identity",
    "identity_file",
    "identity_command",
)
# What the API wants besides an access token, and besides a key for several workspaces (Anthropic,
# "Workload identity federation" and "API keys").
_BETA = ("anthropic-beta", "oauth-2025-04-20")
_WORKSPACE = "anthropic-workspace-id"
_SOURCES = ("identity", "identity_file", "identity_command")
_WAYS = (
    "exactly one way: federation_rule_id with organization_id and an identity; "
    "profile (a Console login kept by ant); or api_key"
)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Workload identity federation, a Console profile of `ant`, or an API key.

    *identity* is the source of the JWT; a plain text names another credential, whose token is the
    JWT. *service_account_id* may be left out if the rule names one; only a rule or an API key for
    several workspaces needs *workspace_id*.
    """

    federation_rule_id: str | None = None
    organization_id: str | None = None
    service_account_id: str | None = None
    workspace_id: str | None = None
    identity: Reference | str | None = None
    identity_file: str | None = None
    identity_command: tuple[str, ...] | None = None
    token_url: str = _TOKEN_URL
    profile: str | None = None
    ant: str = "ant"
    api_key: Reference | str | None = None
    timeout: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30.0

    def __post_init__(self) -> None:
        given = [name for name in _FEDERATION if getattr(self, name) is not None]
        if bool(given) + (self.profile is not None) + (self.api_key is not None) != 1:
            raise ValueError(_WAYS)
        if given:
            self._check_federation()
        elif self.profile is not None and not _PROFILE.fullmatch(self.profile):
            raise ValueError("profile is the name of a profile of ant, such as work")
        elif self.api_key is not None:
            refuse_literal(self.api_key)
        self._check_workspace()
        check_program((self.ant,))

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            service=self._service,
            server=self._server,
            presents_once=self._presents_once,
            base_urls=self._base_urls,
            files=self._files,
            headers=self._headers,
            handed_out=self._handed_out,
            kept_by="" if self.profile is None else "ant",
            timeout=self.timeout,
            free=("timeout",),
        )

    @property
    def assertion(self) -> Reference:
        """The source of the JWT for federation."""
        match self:
            case Settings(identity_file=str(path)):
                return Reference(file=path)
            case Settings(identity_command=tuple(command)):
                return Reference(command=command)
            case Settings(identity=Reference() as reference):
                return reference
            case _:
                raise ValueError(_WAYS)

    @property
    def _base_urls(self) -> tuple[str, ...]:
        """The API; it takes tokens of the endpoint on the same host."""
        if self.federation_rule_id is None:
            return (_API,)
        return (self.token_url.removesuffix(_TOKEN_PATH),)

    @property
    def _files(self) -> tuple[str, ...]:
        """The file that holds the JWT, if one does."""
        return () if self.identity_file is None else (self.identity_file,)

    @property
    def _handed_out(self) -> Reference | None:
        """Where the API key is; None for a token."""
        return None if self.api_key is None else refuse_literal(self.api_key)

    @property
    def _server(self) -> str | None:
        """The server that is asked for a token; unknown for a key and for `ant`."""
        return None if self.federation_rule_id is None else self.token_url

    @property
    def _service(self) -> Service:
        """The API, by a key or by an access token; it takes the two in different ways."""
        return Service.CLAUDE_LOGIN if self.api_key is None else Service.CLAUDE

    @property
    def _headers(self) -> tuple[tuple[str, str], ...]:
        """The token of a federation is for one workspace already, a key may be for several."""
        if self.api_key is None:
            return (_BETA,)
        return () if self.workspace_id is None else ((_WORKSPACE, self.workspace_id),)

    @property
    def _presents_once(self) -> bool:
        """Whether mints present a JWT that can be used once (see `grants.replay_cache`)."""
        return self.federation_rule_id is not None

    def _check_federation(self) -> None:
        """Check what the exchange needs; each kind of id has a documented prefix."""
        if self.federation_rule_id is None or self.organization_id is None:
            raise ValueError("federation needs federation_rule_id and organization_id")
        if sum(getattr(self, name) is not None for name in _SOURCES) != 1:
            raise ValueError(f"federation needs exactly one of {', '.join(_SOURCES)}")
        if isinstance(self.identity, str):
            if not _NAME.fullmatch(self.identity):
                raise ValueError(
                    "identity is the name of another credential, or says where the JWT is: "
                    'identity_file = "/path" or identity_command = ["…"]'
                )
            # One shape from here on, also for a worker.
            msgspec.structs.force_setattr(self, "identity", Reference(credential=self.identity))
        # Made again, so that it is checked: paths and programs have their own keys here.
        _ = self.assertion
        if not self.federation_rule_id.startswith("fdrl_"):
            raise ValueError("federation_rule_id begins with fdrl_")
        if not _UUID.fullmatch(self.organization_id):
            raise ValueError("organization_id is a UUID, as shown in the Console")
        if self.service_account_id is not None and not self.service_account_id.startswith("svac_"):
            raise ValueError("service_account_id begins with svac_")
        check_server_url("token_url", self.token_url, _TOKEN_URL)

    def _check_workspace(self) -> None:
        workspace = self.workspace_id
        if workspace is None:
            return
        if self.profile is not None:
            raise ValueError("workspace_id is not for profile: a Console login has its workspace")
        if _WORKSPACE_ID.fullmatch(workspace) is None and (
            workspace != "default" or self.api_key is not None
        ):
            raise ValueError(
                "workspace_id begins with wrkspc_"
                + ("" if self.api_key is not None else ', or is "default"')
            )
