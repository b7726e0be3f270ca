"""Reads what a program printed: the shapes in which tools hand out tokens, into a `Token`.

Pure: bytes and an instant in, a token or a failure out. When a token ends is read by `expiry`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.expiry import ExpiryError, find_expiry, read_jwt_claims
from credward.settings.command import Settings
from credward.tokens import Secret, Token, TokenKind

__all__ = ["read_answer"]

# Where tools put the token: ours and nono's, OAuth's and gcloud's, az's.
_TOKEN_FIELDS = ("token", "access_token", "accessToken", "id_token")
# Where they put the object that holds it: gcloud's config-helper, kubectl's ExecCredential.
_WRAPPERS = ("credential", "status")
_AWS_FIELDS = ("AccessKeyId", "SecretAccessKey", "SessionToken")
_LONGEST = 16_384


def read_answer(output: bytes, credential: str, settings: Settings, now: float) -> Token:
    """Return the token in *output*; *now* is when the program was started."""
    reader = _Reader(credential, settings, now)
    try:
        return reader.read(output)
    except ExpiryError as error:
        raise BrokerError(error.kind, f'"{credential}" {error}', sent="maybe") from error


class _Reader:
    """One answer of one credential."""

    def __init__(self, credential: str, settings: Settings, now: float) -> None:
        self._credential = credential
        self._settings = settings
        self._now = now

    def read(self, output: bytes) -> Token:
        text = output.strip()
        if not text:
            raise self._refused("printed nothing")
        match text[:1]:
            case b"{":
                return self._read_object(self._parse(text))
            case b'"':
                # `az … --query accessToken` prints a JSON string.
                return self._make({}, self._parse(text), self._settings.kind or "bearer")
            case b"[":
                raise self._refused(f"printed an array ({len(output)} bytes)")
            case b"<":
                raise self._refused(f"printed a web page ({len(output)} bytes)")
            case _:
                return self._make({}, text.decode("utf-8", "replace"), self._settings.kind)

    def _parse(self, text: bytes) -> Any:
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._refused(f"printed broken JSON ({len(text)} bytes)") from error

    def _read_object(self, answer: dict[str, Any]) -> Token:
        version = answer.get("version", answer.get("Version", 1))
        if version != 1 or isinstance(version, bool):
            raise self._refused("printed a version of the format other than 1")
        if "AccessKeyId" in answer:
            return self._read_aws(answer)
        for wrapper in _WRAPPERS:
            if isinstance(answer.get(wrapper), dict):
                answer = answer[wrapper]
        token = next((answer[name] for name in _TOKEN_FIELDS if answer.get(name)), None)
        return self._make(answer, token, self._settings.kind)

    def _read_aws(self, answer: Mapping[str, Any]) -> Token:
        keys = {name: answer[name] for name in _AWS_FIELDS if answer.get(name) is not None}
        whole = {"AccessKeyId", "SecretAccessKey"} <= keys.keys()
        if not whole or not all(_is_key(key) for key in keys.values()):
            raise self._refused("printed incomplete AWS keys")
        if self._settings.kind not in {None, "aws"}:
            raise self._refused(f"printed AWS keys, though kind is {self._settings.kind}")
        return Token(
            secret=Secret(msgspec.json.encode(keys).decode()),
            kind="aws",
            issued_at=self._now,
            expires_at=find_expiry(answer, {}, self._settings, self._now),
            upstream_id=keys["AccessKeyId"],
        )

    def _make(self, answer: Mapping[str, Any], token: object, kind: TokenKind | None) -> Token:
        kind = kind or "bearer"
        if not isinstance(token, str) or not token:
            raise self._refused("printed no token (a field token, access_token or accessToken)")
        if kind == "aws":
            raise self._refused("printed no AWS keys, though kind is aws")
        self._check(token, kind)
        claims = read_jwt_claims(token)
        return Token(
            secret=Secret(token),
            kind=kind,
            issued_at=self._now,
            expires_at=find_expiry(answer, claims, self._settings, self._now),
            upstream_id=_upstream_id(claims),
        )

    def _check(self, token: str, kind: TokenKind) -> None:
        if not token.isascii() or not token.isprintable() or len(token) > _LONGEST:
            raise self._refused(
                f"printed no token ({len(token)} characters, expected one line of ASCII)"
            )
        # A sentence is an error message on the wrong stream; only a password may hold blanks.
        if " " in token and kind != "basic":
            raise self._refused("printed text instead of a token")
        if kind == "basic" and ":" not in token:
            raise self._refused("printed no user:password, though kind is basic")

    def _refused(self, problem: str) -> BrokerError:
        program = self._settings.command[0]
        return BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{self._credential}" got no token, program "{program}" {problem}: '
            f"run {program} by hand",
            sent="maybe",
        )


def _is_key(key: object) -> bool:
    return isinstance(key, str) and key != "" and key.isascii() and key.isprintable()


def _upstream_id(claims: Mapping[str, Any]) -> str | None:
    """Return the name that upstream logs know the token by: Entra's `uti`, else `jti`."""
    name = claims.get("uti") or claims.get("jti")
    return name if isinstance(name, str) and name.isascii() and len(name) <= 128 else None
