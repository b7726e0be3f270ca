"""The settings of the provider `aws`, named as in an AWS profile.

Checks words only: `providers.aws` reads files of the AWS command line and references, in a worker.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from credward.settings.grants import GrantTerms
from credward.settings.meaning import Meaning
from credward.settings.references import Reference, refuse_literal
from credward.settings.services import Service

__all__ = ["Derived", "Settings"]

Derived = Literal["bedrock-api-key", "claude-platform-key", "ecr", "eks"]

_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}", re.ASCII)
_SESSION_NAME = re.compile(r"[\w+=,.@-]{2,64}", re.ASCII)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/-]{2,1224}", re.ASCII)
_WORKSPACE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ACCOUNT = re.compile(r"\d{12}", re.ASCII)
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-\d+", re.ASCII)
# Lengths of sessions in seconds: of a role, of one role reached by another, of a user (STS, limits
# of AssumeRole and GetSessionToken).
_ROLE_LIMIT = 43_200
_CHAIN_LIMIT = 3_600

_SOURCES = (
    "profile, source_profile, source, web_identity_token, credential_source, or the sso_… keys"
)

# The endpoints that take a derived key (AWS General Reference, "Amazon Bedrock endpoints"; the
# vendors' token generators): such a key works only in the region that it was signed for.
_HOSTS: Mapping[str, tuple[str, ...]] = {
    "bedrock-api-key": (
        "bedrock-runtime.{region}.amazonaws.com",
        "bedrock.{region}.amazonaws.com",
        "bedrock-mantle.{region}.api.aws",
    ),
    "claude-platform-key": ("aws-external-anthropic.{region}.api.aws",),
}
_SERVICES = {
    None: Service.AWS,
    "bedrock-api-key": Service.BEDROCK,
    "claude-platform-key": Service.CLAUDE_ON_AWS,
    "ecr": Service.REGISTRY,
    "eks": Service.CLUSTER,
}
_ENV_NAMES = {
    "bedrock-api-key": "AWS_BEARER_TOKEN_BEDROCK",
    "claude-platform-key": "ANTHROPIC_AWS_API_KEY",
}


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the keys come from, which roles they assume, and what is derived from them.

    *profile* hands out the keys of that profile; *source_profile* and *source* are keys that assume
    *role_arn*. *chain*: roles assumed before *role_arn*, in this order. *workspace_id*: the one of
    the Claude Platform that a key for it is used in. Durations are in seconds.
    """

    profile: str | None = None
    region: str | None = None
    role_arn: str | None = None
    role_session_name: str | None = None
    chain: tuple[str, ...] = ()
    external_id: str | None = None
    mfa_serial: str | None = None
    duration_seconds: Annotated[int, msgspec.Meta(ge=900, le=129_600)] | None = None
    session_policy: str | None = None
    policy_arns: tuple[str, ...] = ()
    session_tags: dict[str, str] = {}
    source_identity: str | None = None
    source_profile: str | None = None
    source: Reference | str | None = None
    web_identity_token: Reference | str | None = None
    credential_source: Literal["Ec2InstanceMetadata"] | None = None
    sso_session: str | None = None
    sso_start_url: str | None = None
    sso_region: str | None = None
    sso_account_id: str | None = None
    sso_role_name: str | None = None
    derive: Derived | None = None
    cluster_name: str | None = None
    registry: str | None = None
    workspace_id: str | None = None
    timeout: Annotated[float, msgspec.Meta(ge=0.1, le=600)] = 30.0

    def __post_init__(self) -> None:
        for reference in (self.source, self.web_identity_token):
            if reference is not None:
                refuse_literal(reference)
        self._check_words()
        self._check_source()
        self._check_role()
        self._check_derived()

    @property
    def meaning(self) -> Meaning:
        """What these settings mean to the rest of the broker."""
        return Meaning(
            kind=self._kind,
            service=self._service,
            region=self.region,
            server=self._server,
            base_urls=self._base_urls,
            grant=self._grant,
            kept_by=self._kept_by,
            env_name=self._env_name,
            headers=self._headers,
            timeout=self.timeout,
            lifetime=self.duration_seconds,
            free=("duration_seconds", "timeout"),
        )

    @property
    def _kept_by(self) -> str:
        """The profile whose keys are used, which may be those of a login."""
        profile = self.profile or self.source_profile
        return "" if profile is None else f"the AWS profile {profile}"

    @property
    def _kind(self) -> str:
        """The kind of the token."""
        return {None: "aws", "ecr": "basic"}.get(self.derive, "bearer")

    @property
    def _service(self) -> Service:
        """The service that takes the keys, or what is derived from them."""
        return _SERVICES[self.derive]

    @property
    def _env_name(self) -> str | None:
        """The variable that the vendor's clients read the derived key from."""
        return _ENV_NAMES.get(self.derive or "")

    @property
    def _headers(self) -> tuple[tuple[str, str], ...]:
        """The Claude Platform on AWS wants a workspace in each request."""
        workspace = self.workspace_id
        return () if workspace is None else (("anthropic-workspace-id", workspace),)

    @property
    def _base_urls(self) -> tuple[str, ...]:
        """The endpoints of a derived key; no setting names the host of a registry or a cluster."""
        hosts = _HOSTS.get(self.derive or "", ())
        return tuple(f"https://{host.format(region=self.region)}" for host in hosts)

    @property
    def _grant(self) -> GrantTerms:
        """A login at IAM Identity Center rotates; for an MFA session the user types a code."""
        if self.by_sso:
            return GrantTerms(
                identity=("sso_start_url", "sso_region", "sso_session"),
                rotating=True,
                logins=("browser", "device"),
            )
        if self.mfa_serial is not None:
            return GrantTerms(identity=("mfa_serial",), logins=("device",))
        return GrantTerms()

    @property
    def _server(self) -> str | None:
        """The endpoint of its services; unknown for a profile."""
        if self.profile is not None:
            return None
        return self.sso_region or self.sso_session or self.region or ""

    @property
    def by_sso(self) -> bool:
        """Whether the keys come from our own login at IAM Identity Center."""
        return self.sso_session is not None or self.sso_start_url is not None

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles to assume one after another, the one that is handed out last."""
        return self.chain if self.role_arn is None else (*self.chain, self.role_arn)

    def _check_words(self) -> None:
        for key, role in (("chain", each) for each in self.chain):
            _check(_ROLE, key, role, "roles such as arn:aws:iam::123456789012:role/deploy")
        _check(_ROLE, "role_arn", self.role_arn, "such as arn:aws:iam::123456789012:role/deploy")
        _check(_REGION, "region", self.region, "such as eu-central-1")
        _check(_REGION, "sso_region", self.sso_region, "such as eu-central-1")
        _check(_ACCOUNT, "sso_account_id", self.sso_account_id, 'twelve digits in quotes, "0123…"')
        _check(_ACCOUNT, "registry", self.registry, 'twelve digits in quotes, "0123…"')
        for key, name in (
            ("role_session_name", self.role_session_name),
            ("source_identity", self.source_identity),
        ):
            _check(_SESSION_NAME, key, name, "2 to 64 letters, digits and _+=,.@-")
        _check(
            _EXTERNAL_ID, "external_id", self.external_id, "2 or more of letters, digits, _+=,.@:/-"
        )
        if self.session_policy is not None and not _is_json_object(self.session_policy):
            raise ValueError("session_policy is the JSON text of a policy, in ''' quotes")

    def _check_source(self) -> None:
        sources = [
            *(self.profile, self.source_profile, self.source, self.web_identity_token),
            *(self.credential_source, self.by_sso or None),
        ]
        if sum(each is not None for each in sources) != 1:
            raise ValueError(f"the keys have exactly one source: {_SOURCES}")
        if self.by_sso:
            if self.sso_account_id is None or self.sso_role_name is None:
                raise ValueError("sso_account_id and sso_role_name are both needed")
            if self.sso_session is None and self.sso_region is None:
                raise ValueError("sso_start_url needs sso_region")
            if self.sso_start_url is not None and not self.sso_start_url.startswith("https://"):
                raise ValueError("sso_start_url is such as https://example.awsapps.com/start")
        elif self.sso_region or self.sso_account_id or self.sso_role_name:
            raise ValueError("sso_… keys need sso_start_url or sso_session")
        temporary = (self.web_identity_token, self.credential_source, self.by_sso or None)
        if self.mfa_serial is not None and any(each is not None for each in temporary):
            raise ValueError("mfa_serial needs long-term keys: use source_profile or source")

    def _check_role(self) -> None:
        if self.role_arn is None:
            only_with_role = (
                *("chain", "external_id", "session_policy", "policy_arns"),
                *("session_tags", "source_identity", "role_session_name"),
            )
            if found := [key for key in only_with_role if getattr(self, key)]:
                raise ValueError(f"{found[0]} needs role_arn")
            if self.source_profile is not None:
                raise ValueError("source_profile needs role_arn; to hand out its keys use profile")
            if self.web_identity_token is not None:
                raise ValueError("web_identity_token needs role_arn")
            return
        if self.region is None and not all(role.startswith("arn:aws:") for role in self.roles):
            raise ValueError("a role outside the partition aws needs region")
        if self.profile is not None:
            raise ValueError("role_arn is assumed with source_profile; profile is handed out as is")
        if self.web_identity_token is not None and not self.chain:
            for key in ("external_id", "session_tags", "source_identity"):
                if getattr(self, key):
                    raise ValueError(
                        f"{key} cannot be used with a web identity: the token holds its own"
                    )
        limit = _CHAIN_LIMIT if self.chain else _ROLE_LIMIT
        if (self.duration_seconds or 0) > limit:
            why = "a role reached through chain" if self.chain else "a role"
            raise ValueError(f"duration_seconds of {why} is at most {limit}")

    def _check_derived(self) -> None:
        if (self.cluster_name is None) == (self.derive == "eks"):
            raise ValueError('derive = "eks" needs cluster_name, and nothing else takes it')
        _check(_WORKSPACE, "workspace_id", self.workspace_id, "such as wrkspc_0123")
        if self.workspace_id is not None and self.derive != "claude-platform-key":
            raise ValueError('workspace_id is only for derive = "claude-platform-key"')
        if self.registry is not None and self.derive != "ecr":
            raise ValueError('registry is only for derive = "ecr"')
        if self.derive is None or self.region is not None:
            return
        # A worker reads the profile, too late to know which hosts a key is for.
        if self.derive in _HOSTS or self.profile is None:
            raise ValueError("derive needs region: a derived key works in one region only")


def _check(form: re.Pattern[str], key: str, value: str | None, what: str) -> None:
    if value is not None and not form.fullmatch(value):
        raise ValueError(f"{key} is {what}")


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False
