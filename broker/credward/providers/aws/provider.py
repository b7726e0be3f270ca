"""AWS: keys of a profile, role, web identity or IAM Identity Center, and what derives from them.

Puts the steps in their order; each is a sibling of this module (`profiles`, `roles`,
`sso`, `derived`).
"""

from __future__ import annotations

import contextlib

import msgspec

from credward.errors import BrokerError, Kind, login_required
from credward.providers.aws.client import Aws
from credward.providers.aws.derived import derive
from credward.providers.aws.keys import Keys, keys_from_text, known_end, token_of
from credward.providers.aws.metadata import instance_keys
from credward.providers.aws.profiles import resolve_profile, sso_session_of
from credward.providers.aws.roles import (
    assume_roles,
    assume_with_web_identity,
    start_session,
)
from credward.providers.aws.sso import SsoLogin, read_login, refresh
from credward.providers.aws.sso_login import log_in_browser, log_in_device
from credward.providers.aws.sso_portal import log_out, role_keys
from credward.providers.provider import (
    Grant,
    Io,
    LoginIo,
    LoginMethod,
    ProviderRequest,
    nothing_sent,
)
from credward.providers.references import read_secret
from credward.settings.aws import Settings
from credward.tokens import Secret, Token

__all__ = ["AwsProvider"]

# Sessions made of long-term keys; a login with MFA is to last for a working day (seconds).
_SESSION = 3_600
_MFA_SESSION = 43_200


class AwsProvider:
    """Mints session keys, or what is derived from them."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Mint once, by as many requests as there are steps from the first keys to the token."""
        settings = _settings_of(token_request)
        aws = Aws(
            token_request.credential,
            io,
            timeout=settings.timeout,
            ends_at=io.now() + settings.timeout,
        )
        if settings.by_sso:
            keys, region = _keys_by_sso(aws, settings, token_request)
            # The refresh is done and kept: later failures do not concern the grant.
            with nothing_sent():
                return _finish(aws, settings, keys, region, login=_login_command(aws))
        if settings.mfa_serial is not None:
            keys = _read_session(aws, token_request)
            return _finish(aws, settings, keys, settings.region, login=_login_command(aws))
        if settings.web_identity_token is not None:
            identity = read_secret(token_request, "web_identity_token", io, timeout=aws.remaining())
            keys = assume_with_web_identity(aws, settings, identity)
            return _finish(aws, settings, keys, settings.region, skip=1)
        keys, region, login = _first_keys(aws, settings, token_request)
        return _finish(aws, settings, keys, region, login=login)

    def login(self, token_request: ProviderRequest, io: LoginIo, method: LoginMethod) -> Grant:
        """Log in at IAM Identity Center, or start a session with an MFA code."""
        settings = _settings_of(token_request)
        aws = Aws(token_request.credential, io, timeout=settings.timeout)
        if settings.by_sso:
            start_url, region = _sso_place(aws, settings)
            log_in = log_in_device if method == "device" else log_in_browser
            return log_in(aws, io, start_url=start_url, region=region).to_grant()
        if settings.mfa_serial is None:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{aws.credential}" has no login of its own: set sso_start_url or mfa_serial',
            )
        keys, _, _ = _first_keys(aws, settings, token_request)
        code = io.prompt("token_code", f"MFA code of {settings.mfa_serial}")
        session = start_session(
            aws,
            keys,
            region=settings.region,
            duration=_MFA_SESSION if settings.roles else settings.duration_seconds or _MFA_SESSION,
            SerialNumber=settings.mfa_serial,
            TokenCode=code.strip(),
        )
        return Grant(
            secret=Secret(msgspec.json.encode(session).decode()), ends_at=session.expires_at
        )

    def revoke(self, token_request: ProviderRequest, io: Io) -> None:
        """Log out at IAM Identity Center; nothing can end a session of STS early."""
        settings = _settings_of(token_request)
        aws = Aws(token_request.credential, io, timeout=settings.timeout)
        if not settings.by_sso:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{aws.credential}" cannot be revoked, sessions of STS end by themselves: '
                "revoke the role's sessions in IAM",
            )
        login = read_login(aws.credential, token_request.grant)
        region = _sso_place(aws, settings)[1]
        try:
            try:
                log_out(aws, login.access_token, region=region)
            except BrokerError as failure:
                if failure.kind is not Kind.LOGIN_REQUIRED:
                    raise
                # Maybe only the access token has ended: the refresh shows that.
                log_out(aws, refresh(aws, login, region=region).access_token, region=region)
        except BrokerError as failure:
            # Nothing to do if it has already ended.
            if failure.kind is not Kind.LOGIN_REQUIRED:
                raise


def _keys_by_sso(
    aws: Aws, settings: Settings, token_request: ProviderRequest
) -> tuple[Keys, str | None]:
    """Return the keys for the kept login, renewed if needed, and their region."""
    _, region = _sso_place(aws, settings)
    login = read_login(aws.credential, token_request.grant)
    if login.good(aws.io.now()):
        try:
            return _role_keys(aws, settings, login, region), settings.region or region
        except BrokerError as failure:
            # An access token that ended before its time, by another clock or by an administrator:
            # only the refresh shows whether the login itself has ended.
            if failure.kind is not Kind.LOGIN_REQUIRED or login.refresh_token is None:
                raise
    login = refresh(aws, login, region=region)
    aws.io.save_grant(login.to_grant())
    return _role_keys(aws, settings, login, region), settings.region or region


def _role_keys(aws: Aws, settings: Settings, login: SsoLogin, region: str) -> Keys:
    with nothing_sent():
        return role_keys(
            aws,
            login.access_token,
            region=region,
            account_id=settings.sso_account_id or "",
            role_name=settings.sso_role_name or "",
            login=_login_command(aws),
        )


def _finish(
    aws: Aws,
    settings: Settings,
    keys: Keys,
    region: str | None,
    *,
    skip: int = 0,
    login: str | None = None,
) -> Token:
    """Assume what roles are left, and derive the token or hand out the keys."""
    keys = assume_roles(aws, settings, keys, skip=skip, login=login)
    if settings.derive is not None:
        if (region := settings.region or region) is None:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{aws.credential}" got no token, its profile has no region: set region',
            )
        return derive(aws, settings.derive, settings, keys, region)
    if keys.session_token is None:
        # Long-term keys of a user are never handed out.
        keys = start_session(
            aws, keys, region=region, duration=settings.duration_seconds or _SESSION
        )
    known_end(aws.credential, keys)
    return token_of(keys, aws.io.now())


def _first_keys(
    aws: Aws, settings: Settings, token_request: ProviderRequest
) -> tuple[Keys, str | None, str | None]:
    """Return the keys of profile, instance or source, their region, and what renews them."""
    if (profile := settings.profile or settings.source_profile) is not None:
        found = resolve_profile(aws, profile)
        return found.keys, settings.region or found.region, found.login
    if settings.credential_source is not None:
        return instance_keys(aws), settings.region, None
    text = read_secret(token_request, "source", aws.io, timeout=aws.remaining()).reveal()
    keys = keys_from_text(aws.credential, text, "source", aws.io.now())
    return keys, settings.region, None


def _read_session(aws: Aws, token_request: ProviderRequest) -> Keys:
    """Return the session that the login with MFA left, or raise `login-required`."""
    keys = None
    if token_request.grant is not None:
        with contextlib.suppress(msgspec.MsgspecError):
            keys = msgspec.json.decode(token_request.grant.reveal(), type=Keys)
    if keys is not None and keys.expires_at is not None and keys.expires_at > aws.io.now():
        return keys
    raise login_required(
        aws.credential,
        remedy=f"run {_login_command(aws)}",
        reason="its MFA session has expired",
    ).error()


def _sso_place(aws: Aws, settings: Settings) -> tuple[str, str]:
    """Return start URL and region of IAM Identity Center."""
    if settings.sso_start_url is not None and settings.sso_region is not None:
        return settings.sso_start_url, settings.sso_region
    start_url, region = sso_session_of(aws, settings.sso_session or "")
    return settings.sso_start_url or start_url, settings.sso_region or region


def _login_command(aws: Aws) -> str:
    return f"credward login {aws.credential}"


def _settings_of(token_request: ProviderRequest) -> Settings:
    assert isinstance(token_request.settings, Settings)
    return token_request.settings
