"""The ways to a server's token that need no human, each by hvac, and what their answer says.

When one is taken is decided in `vault`; the browser's way is `vault_oidc`.
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
from credward.providers.vault_client import RefusedError, VaultClient, ask_vault
from credward.providers.vault_state import (
    LONGEST_LIFE,
    State,
    VaultToken,
    make_grant,
    name_of,
)
from credward.settings.references import Reference
from credward.settings.vault import POD_TOKEN, TOKEN_FILE

__all__ = ["log_in", "look_up", "read_auth"]


def log_in(vault: VaultClient, token_request: ProviderRequest, state: State, io: Io) -> VaultToken:
    """Log in by the configured method and return the token that came of it."""
    settings = vault.settings
    if settings.auth_method == "token":
        given = settings.token is not None
        text = read_secret(token_request, "token", io).reveal() if given else _token_file(vault, io)
        return look_up(vault, text.strip(), io)
    call = _login_call(vault, token_request, state, io)
    now = io.now()
    vault.hvac.token = ""
    what = f'the login by {settings.auth_method} at "{settings.mount}"'
    return read_auth(vault, ask_vault(vault, what, call), now)


def look_up(vault: VaultClient, text: str, io: Io) -> VaultToken:
    """Return what the server says of the token *text*."""
    now = io.now()
    vault.hvac.token = text
    try:
        answer = ask_vault(vault, "its token", vault.hvac.auth.token.lookup_self)
    except RefusedError as error:
        refusal = error
    else:
        data = answer.get("data")
        return _read_lookup(vault, text, data if isinstance(data, dict) else {}, now)
    if refusal.status != 403:
        raise refusal
    raise RefusedError(
        403,
        Kind.FIX_CONFIGURATION,
        f'"{vault.name}" got no token, {vault.host} refuses its token, which has expired or was '
        "revoked: replace it",
    )


def read_auth(vault: VaultClient, answer: dict[str, Any], now: float) -> VaultToken:
    """Return the token of a login's or a renewal's answer that was asked for at *now*."""
    found = answer.get("auth")
    auth = found if isinstance(found, dict) else {}
    match auth:
        case {"client_token": str(text), "lease_duration": int(ttl)} if (
            _is_token(text) and 0 <= ttl <= LONGEST_LIFE
        ):
            return VaultToken(
                id=text,
                # Only tokens without an end have a life of 0.
                expires_at=now + ttl if ttl else None,
                ttl=float(ttl),
                renewable=auth.get("renewable") is True,
                accessor=_text(auth.get("accessor")),
            )
        case {"mfa_requirement": dict()}:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{vault.name}" got no token, {vault.host} asks for a second factor, which '
                'nobody is there to give: use another role, or auth_method = "oidc"',
            )
        case _:
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{vault.name}" got no token, {vault.host} answered the login without one: '
                "check address and auth_mount",
                sent="maybe",
            )


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
            name = vault.name
            raise BrokerError(
                Kind.LOGIN_REQUIRED, f'"{name}" needs a login: run credward login {name}'
            )
        case never:
            assert_never(never)


def _token_file(vault: VaultClient, io: Io) -> str:
    return read_file(vault.name, TOKEN_FILE, io, remedy="run vault login, or set token")


def _jwt(vault: VaultClient, token_request: ProviderRequest, io: Io) -> str:
    """Return the JWT; one that has expired is not presented, for a new one may come by itself."""
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
            "see why no new one is written there",
        )
    if not text:
        raise BrokerError(
            Kind.FIX_CONFIGURATION, f'"{vault.name}" got no token, {where} is empty: write it there'
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
                # At once: it cannot be had again, whatever becomes of the login.
                io.save_grant(make_grant(state))
                return secret_id
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{vault.name}" got no token, its wrapping token held no secret id: '
            "wrap the answer of the role's secret-id path",
            # It is used up now, whatever was in it.
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
            f'"{vault.name}" got no token, aws_credentials holds no AWS keys: '
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


def _read_lookup(vault: VaultClient, text: str, data: dict[str, Any], now: float) -> VaultToken:
    match data:
        case {"ttl": int(ttl)} if 0 <= ttl <= LONGEST_LIFE:
            whole = data.get("creation_ttl")
            return VaultToken(
                id=text,
                expires_at=now + ttl if ttl else None,
                ttl=float(whole if isinstance(whole, int) and whole > ttl else ttl),
                renewable=data.get("renewable") is True,
                accessor=_text(data.get("accessor")),
            )
        case _:
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{vault.name}" got no token, {vault.host} did not say when its token ends: '
                "check address",
                sent="maybe",
            )


def _is_token(text: str) -> bool:
    return text != "" and text.isascii() and text.isprintable()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.isascii() and 0 < len(value) <= 128 else None
