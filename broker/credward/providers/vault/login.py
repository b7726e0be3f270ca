"""The ways to a server's token that need no human, each by hvac.

What the answer says is read by `token`, when a way is taken is decided in `provider`; the
browser's way is `oidc`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, assert_never

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.expiry import read_jwt_claims
from credward.providers.provider import Io, ProviderRequest
from credward.providers.references import read_file, read_secret
from credward.providers.vault.client import RefusedError, VaultClient, ask_vault
from credward.providers.vault.state import State, VaultToken, make_grant, name_of
from credward.providers.vault.token import expired_token, look_up, read_auth, settle_end
from credward.settings.references import Reference
from credward.settings.vault import POD_TOKEN, TOKEN_FILE

__all__ = ["log_in"]


def log_in(vault: VaultClient, token_request: ProviderRequest, state: State, io: Io) -> VaultToken:
    """Log in by the configured method and return the token that came of it."""
    settings = vault.settings
    if settings.auth_method == "token":
        return _given_token(vault, token_request, io)
    call = _login_call(vault, token_request, state, io)
    now = io.now()
    vault.hvac.token = ""
    what = f'the login by {settings.auth_method} at "{settings.mount}"'
    return settle_end(vault, read_auth(vault, ask_vault(vault, what, call), now), io)


def _login_call(
    vault: VaultClient, token_request: ProviderRequest, state: State, io: Io
) -> Callable[[], Any]:
    """Read what the method presents, and return the one request that presents it.

    `use_token=False`: hvac is to hand the answer over rather than look into it.
    """
    settings, auth = vault.settings, vault.hvac.auth
    mount, role = settings.mount, settings.role
    match settings.auth_method:
        case "approle":
            role_id = settings.role_id
            if isinstance(role_id, Reference):
                role_id = read_secret(token_request, "role_id", io).reveal().strip()
            secret_id = _secret_id(vault, token_request, state, io)
            return partial(
                auth.approle.login, role_id, secret_id, use_token=False, mount_point=mount
            )
        case "kubernetes":
            jwt = _jwt(vault, token_request, io)
            return partial(auth.kubernetes.login, role, jwt, use_token=False, mount_point=mount)
        case "jwt":
            jwt = _jwt(vault, token_request, io)
            return partial(auth.jwt.jwt_login, role, jwt, use_token=False, path=mount)
        case "gcp":
            jwt = _jwt(vault, token_request, io)
            return partial(auth.gcp.login, role, jwt, use_token=False, mount_point=mount)
        case "azure":
            jwt, more = _jwt(vault, token_request, io), settings.auth_parameters
            return partial(auth.azure.login, role, jwt, use_token=False, mount_point=mount, **more)
        case "userpass" | "ldap":
            method = auth.userpass if settings.auth_method == "userpass" else auth.ldap
            password = read_secret(token_request, "password", io).reveal()
            return partial(
                method.login, settings.username, password, use_token=False, mount_point=mount
            )
        case "cert":
            # hvac's own looks for the files; here the transport presents them.
            words = {"name": role} if role else {}
            return partial(vault.hvac.adapter.post, f"/v1/auth/{mount}/login", json=words)
        case "aws":
            return partial(_aws_login, vault, _aws_keys(vault, token_request, io))
        case "oidc" | "token":
            raise expired_token(vault)
        case never:
            assert_never(never)


def _given_token(vault: VaultClient, token_request: ProviderRequest, io: Io) -> VaultToken:
    if vault.settings.token is not None:
        text = read_secret(token_request, "token", io).reveal()
    else:
        text = _token_file(vault, io)
    try:
        token = look_up(vault, text.strip(), io)
    except RefusedError as error:
        if error.status != 403:
            raise
        raise expired_token(vault) from None
    if token.has_ended(io.now()):
        raise expired_token(vault)
    return token


def _token_file(vault: VaultClient, io: Io) -> str:
    return read_file(vault.name, TOKEN_FILE, io, remedy="run vault login, or set token")


def _jwt(vault: VaultClient, token_request: ProviderRequest, io: Io) -> str:
    """Return the JWT; an expired one is not presented, because a new one may come by itself."""
    if vault.settings.jwt is None:
        text, where = read_file(vault.name, POD_TOKEN, io).strip(), f"file {POD_TOKEN}"
    else:
        text = read_secret(token_request, "jwt", io).reveal().strip()
        reference = vault.settings.jwt
        where = reference.describe() if isinstance(reference, Reference) else "jwt"
    end = read_jwt_claims(text).get("exp")
    if isinstance(end, int | float) and end <= io.now():
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{vault.name}" got no token, its JWT in {where} has expired: '
            "find out why it is not renewed there",
        )
    if not text:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{vault.name}" got no token, {where} is empty: write the JWT there',
        )
    return text


def _secret_id(
    vault: VaultClient, token_request: ProviderRequest, state: State, io: Io
) -> str | None:
    """Return the secret id; a wrapped one is unwrapped once and kept from then on."""
    if vault.settings.secret_id is None:
        return None
    text = read_secret(token_request, "secret_id", io).reveal().strip()
    if not vault.settings.secret_id_wrapped:
        return text
    if state.wrapped_in == name_of(text) and state.secret_id is not None:
        return state.secret_id
    # By its own token, as the vendors' agents do; a second unwrapping would be refused.
    vault.hvac.token = text
    try:
        answer = ask_vault(vault, "its wrapping token", vault.hvac.sys.unwrap)
    except RefusedError as error:
        refusal = error
    else:
        match answer.get("data"):
            case {"secret_id": str(secret_id)} if secret_id:
                state.secret_id, state.wrapped_in = secret_id, name_of(text)
                # At once: we cannot get it again, even if the login fails.
                io.save_grant(make_grant(state))
                return secret_id
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{vault.name}" got no token, its wrapping token contained no secret id: '
            "wrap the answer of the role's secret-id path",
            # It is used up now, even if its content is useless.
            sent="maybe",
        )
    if refusal.status not in {400, 403}:
        raise refusal
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{vault.name}" got no token, its wrapping token has expired or was used: '
        "make a new one, and find out who used it",
    )


def _aws_keys(vault: VaultClient, token_request: ProviderRequest, io: Io) -> dict[str, str]:
    text = read_secret(token_request, "aws_credentials", io).reveal()
    try:
        keys = msgspec.json.decode(text, type=dict[str, str])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        keys = {}
    if not {"AccessKeyId", "SecretAccessKey"} <= keys.keys():
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{vault.name}" got no token, aws_credentials has no AWS keys: '
            "name a credential of the provider aws",
        )
    return keys


def _aws_login(vault: VaultClient, keys: dict[str, str]) -> Any:
    """Log in with a signed GetCallerIdentity that the server sends on to STS."""
    settings = vault.settings
    with warnings.catch_warnings():
        # hvac 2.4 signs with the naive time of the standard library.
        warnings.simplefilter("ignore", DeprecationWarning)
        return vault.hvac.auth.aws.iam_login(
            keys["AccessKeyId"],
            keys["SecretAccessKey"],
            session_token=keys.get("SessionToken"),
            role=settings.role,
            use_token=False,
            mount_point=settings.mount,
            **settings.auth_parameters,
        )
