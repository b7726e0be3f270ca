"""Reads one path of a server and makes a `Token` from the answer, for any engine.

Whether a lease is prolonged or a new one is taken is decided in `provider`.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.expiry import read_jwt_claims
from credward.providers.provider import Io
from credward.providers.vault.client import RefusedError, VaultClient, ask_vault
from credward.providers.vault.state import LONGEST_LIFE
from credward.providers.vault.token import read_auth, settle_end
from credward.tokens import Secret, Token, TokenKind

__all__ = ["Reading", "make_token", "read_path"]

# Where engines say when a secret without a lease ends: an instant, or a life (seconds).
_INSTANTS = ("expires_at_seconds", "expiration")
_LIVES = ("ttl", "token_ttl")
# What engines call the one thing that is a token: identity and gcp, kubernetes.
_TOKENS = ("token", "service_account_token")
_AWS_SESSION = ("session_token", "security_token")


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What a path held. *static*: stored by somebody, so it has no end. *lease_id* may be empty.

    *ends_at* is an end that is known beside the data, Unix seconds.
    """

    data: dict[str, Any]
    static: bool
    lease_id: str = ""
    lease_duration: float = 0.0
    renewable: bool = False
    version: int | None = None
    ends_at: float | None = None

    def __repr__(self) -> str:
        return "Reading(***)"


def read_path(vault: VaultClient, io: Io) -> Reading:
    """Read the configured path, or have its engine make a secret."""
    settings = vault.settings
    assert settings.path is not None
    now = io.now()
    path = settings.path.strip("/")
    what = f'"{path}"'
    adapter = vault.hvac.adapter
    if settings.data:
        call = partial(adapter.post, f"/v1/{quote(path)}", json=settings.data)
        return _read_answer(vault, ask_vault(vault, what, call), io, now, static=False)
    version: int | None = settings.kv_version
    mount = (settings.mount_point or path.split("/")[0]).strip("/")
    if version is None:
        version, mount = _find_engine(vault, path)
    if version == 2:
        rest = path[len(mount) :].strip("/").removeprefix("data/")
        call = partial(adapter.get, f"/v1/{quote(f'{mount}/data/{rest}')}")
        return _read_versioned(vault, ask_vault(vault, what, call), what)
    call = partial(adapter.get, f"/v1/{quote(path)}")
    return _read_answer(vault, ask_vault(vault, what, call), io, now, static=version == 1)


def make_token(vault: VaultClient, reading: Reading, now: float) -> Token:
    """Return the token in *reading*, which was asked for at *now*; its lease is not looked at."""
    text, kind, name = _pick(vault, reading.data)
    if not text or not text.isascii() or not text.isprintable():
        raise _misconfigured(
            vault, "is not one line of printable ASCII: store only the secret there"
        )
    if reading.version is not None:
        name = f"version {reading.version}"
    return Token(
        secret=Secret(text),
        kind=kind,
        issued_at=now,
        expires_at=_end(vault, reading, text, now),
        upstream_id=name if name and name.isascii() and len(name) <= 128 else None,
    )


def _find_engine(vault: VaultClient, path: str) -> tuple[int | None, str]:
    """Return KV's version (None: another engine) and the mount, as the vendors' command line does.

    A token without permission to ask reads the path as it is.
    """
    call = partial(vault.hvac.adapter.get, f"/v1/sys/internal/ui/mounts/{quote(path)}")
    try:
        answer = ask_vault(vault, f'"{path}"', call)
    except RefusedError as error:
        if error.status not in {400, 403, 404}:
            raise
        return None, ""
    match answer.get("data"):
        case {"type": "kv" | "generic", "path": str(mount), **rest}:
            options = rest.get("options")
            versioned = isinstance(options, dict) and str(options.get("version")) == "2"
            return 2 if versioned else 1, mount.strip("/")
        case _:
            return None, ""


def _read_versioned(vault: VaultClient, answer: dict[str, Any], what: str) -> Reading:
    match answer.get("data"):
        case {"data": dict(data), "metadata": dict(metadata)}:
            version = metadata.get("version")
            return Reading(
                data=data, static=True, version=version if isinstance(version, int) else None
            )
        case _:
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{vault.name}" got no token, {vault.host} has no data in {what}: '
                "check path and kv_version",
            )


def _read_answer(
    vault: VaultClient, answer: dict[str, Any], io: Io, now: float, *, static: bool
) -> Reading:
    data, life = answer.get("data"), answer.get("lease_duration")
    if not isinstance(data, dict) and isinstance(answer.get("auth"), dict):
        # Token roles answer as logins do.
        made = settle_end(vault, read_auth(vault, answer, now), io)
        return Reading(data={"token": made.id}, static=False, ends_at=made.expires_at)
    if not isinstance(data, dict):
        raise _misconfigured(vault, "holds nothing to hand out: set data, or correct path")
    lease_id = answer.get("lease_id")
    if isinstance(life, int) and life > LONGEST_LIFE:
        raise _strange(vault, "with an invalid expiry")
    return Reading(
        data=data,
        static=static,
        lease_id=lease_id if isinstance(lease_id, str) and not static else "",
        lease_duration=float(life) if isinstance(life, int) and not isinstance(life, bool) else 0.0,
        renewable=answer.get("renewable") is True,
    )


def _pick(vault: VaultClient, data: dict[str, Any]) -> tuple[str, TokenKind, str | None]:
    """Return the text to hand out, its kind, and what it is called upstream."""
    settings = vault.settings
    if settings.field is not None:
        value = data.get(settings.field)
        if not isinstance(value, str):
            raise _misconfigured(vault, f'has no text in field "{settings.field}": correct field')
        return value, settings.kind or "bearer", None
    match data:
        case {"access_key": str(key_id), "secret_key": str(key)} if settings.kind is None:
            keys = {"AccessKeyId": key_id, "SecretAccessKey": key}
            session = next((data[name] for name in _AWS_SESSION if data.get(name)), None)
            if isinstance(session, str):
                keys["SessionToken"] = session
            return msgspec.json.encode(keys).decode(), "aws", key_id
        case {"username": str(user), "password": str(password)} if settings.kind in {None, "basic"}:
            if ":" in user:
                raise _misconfigured(vault, "has a user name with a colon: set field")
            return f"{user}:{password}", "basic", user
    candidates = [name for name in _TOKENS if isinstance(data.get(name), str)]
    candidates = candidates or [name for name, value in data.items() if isinstance(value, str)]
    if len(candidates) != 1:
        raise _misconfigured(vault, f"has {len(candidates)} fields of text: set field")
    return str(data[candidates[0]]), settings.kind or "bearer", None


def _end(vault: VaultClient, reading: Reading, text: str, now: float) -> float | None:
    """Return when it ends: by its engine's word, or at the next look at a stored one."""
    known = [] if reading.ends_at is None else [reading.ends_at]
    if not reading.static:
        known += _own_ends(vault, reading, text, now)
    if reading.lease_id:
        known.append(now + reading.lease_duration)
    if not known:
        return now + vault.settings.refresh_interval if vault.settings.refresh_interval else None
    if min(known) <= now:
        raise _strange(vault, "that has expired already")
    return min(known)


def _own_ends(vault: VaultClient, reading: Reading, text: str, now: float) -> list[float]:
    """Return the ends in an engine's answer, as Unix seconds.

    Lives are in whole seconds, rounded down: 0 in the last one. Beside a lease it says nothing.
    """
    ends = [_number(vault, reading.data.get(name)) for name in _INSTANTS]
    for name in _LIVES:
        life = _number(vault, reading.data.get(name))
        if life or (life is not None and not reading.lease_id):
            ends.append(now + life)
    ends.append(_number(vault, read_jwt_claims(text).get("exp")))
    return [end for end in ends if end]


def _number(vault: VaultClient, value: object) -> float | None:
    """Return a time, or None; text does not count as a time here."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value < 100_000_000_000:
        raise _strange(vault, "with an invalid expiry")
    return float(value)


def _strange(vault: VaultClient, what: str) -> BrokerError:
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{vault.name}" got no token, {vault.host} sent a secret {what}: check its engine',
        sent="maybe",
    )


def _misconfigured(vault: VaultClient, problem: str) -> BrokerError:
    path = vault.settings.path
    return BrokerError(
        Kind.FIX_CONFIGURATION, f'"{vault.name}" got no token, path "{path}" {problem}'
    )
