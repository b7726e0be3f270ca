"""Mints tokens for Google Cloud: from a user's login, a key, a workload identity, or the machine.

Puts the steps in order; where an identity is read is `sources`, what it makes `credentials`
and `tokens`, and a login of its own `login`.
"""

from __future__ import annotations

from credward.errors import BrokerError, Kind, login_required
from credward.providers.gcp import login
from credward.providers.gcp.credentials import (
    CLOUD_PLATFORM,
    External,
    Hop,
    Identity,
    make_identity,
    make_user,
)
from credward.providers.gcp.metadata import MetadataCredentials
from credward.providers.gcp.request import GoogleRequest
from credward.providers.gcp.sources import login_command, read_info
from credward.providers.gcp.subject import SecretSupplier
from credward.providers.gcp.tokens import mint_access_token, mint_id_token
from credward.providers.provider import Grant, Io, LoginIo, LoginMethod, ProviderRequest
from credward.providers.references import read_secret
from credward.settings.gcp import Settings
from credward.tokens import Token

__all__ = ["GcpProvider"]


class GcpProvider:
    """Mints access and ID tokens by google-auth; logs users in, and out again."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Mint one token; each source is read anew."""
        settings = _settings(token_request)
        name = token_request.credential
        # Before the first answer: a life that is counted from then on can only be too short.
        now = io.now()
        scopes = token_request.scopes or settings.scopes
        if token_request.audience is not None and settings.token == "access":  # noqa: S105
            raise _misconfigured(
                name, 'gives access tokens, which have no audience: set token = "id"'
            )
        identity = _identity(token_request, settings, scopes, io)
        request = GoogleRequest(
            io,
            credential=name,
            timeout=settings.timeout,
            login_command=login_command(settings, name),
            grant=token_request.grant,
        )
        if settings.token == "id":  # noqa: S105 - a kind of token
            audience = token_request.audience or settings.audience
            return mint_id_token(identity, settings, audience, request, credential=name, now=now)
        return mint_access_token(identity, settings, scopes, request, credential=name, now=now)

    def login(self, token_request: ProviderRequest, io: LoginIo, method: LoginMethod) -> Grant:
        """Log a user in with a browser; Google's device flow gives no access to its cloud."""
        settings = _settings(token_request)
        name = token_request.credential
        if settings.origin != "login" or method != "browser":
            raise _misconfigured(
                name, "has no login of this kind: set client_id, and log in with a browser"
            )
        secret = read_secret(token_request, "client_secret", io).reveal()
        return login.log_in(name, settings, secret, io)

    def revoke(self, token_request: ProviderRequest, io: Io) -> None:
        """Revoke the login at Google; a key or gcloud's own login is not ours to revoke."""
        settings = _settings(token_request)
        name = token_request.credential
        if settings.origin != "login" or token_request.grant is None:
            raise _misconfigured(name, "has no login of credward's own: revoke it where it is from")
        login.revoke(name, settings, token_request.grant.reveal(), io)


def _settings(token_request: ProviderRequest) -> Settings:
    assert isinstance(token_request.settings, Settings)
    return token_request.settings


def _identity(
    token_request: ProviderRequest, settings: Settings, scopes: tuple[str, ...], io: Io
) -> Identity:
    """Return who it is, with the impersonation of the settings as the last one."""
    name = token_request.credential
    match settings.origin:
        case "metadata":
            needed = scopes or (CLOUD_PLATFORM,)
            if settings.impersonate_service_account:
                # The scopes that were asked for are those of the account at the end.
                needed = (CLOUD_PLATFORM,)
            source = MetadataCredentials(name, settings.metadata_host, needed, io.now())
            identity = Identity(source=source, info={})
        case "login":
            identity = _logged_in(token_request, settings, io)
        case _:
            identity = make_identity(
                name,
                read_info(token_request, io),
                # A user's login has scopes of its own, which an impersonation does not narrow.
                () if settings.impersonate_service_account else scopes,
                io=io,
                external=External(
                    allow_executable=settings.allow_executable,
                    supplier=(
                        None
                        if settings.subject_token is None
                        else SecretSupplier(token_request, io, timeout=settings.timeout)
                    ),
                ),
            )
    if settings.impersonate_service_account is None:
        return identity
    hop = Hop(
        principal=settings.impersonate_service_account,
        delegates=settings.delegates,
        lifetime=settings.lifetime,
    )
    return Identity(source=identity.source, info=identity.info, hops=(*identity.hops, hop))


def _logged_in(token_request: ProviderRequest, settings: Settings, io: Io) -> Identity:
    name = token_request.credential
    if token_request.grant is None:
        raise login_required(name).error()
    info = {
        "client_id": settings.client_id,
        "client_secret": read_secret(token_request, "client_secret", io).reveal(),
    }
    narrowed = () if settings.impersonate_service_account else token_request.scopes
    source = make_user(info, token_request.grant.reveal(), narrowed)
    return Identity(source=source, info=info)


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}')
