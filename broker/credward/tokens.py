"""Request and result of a mint: `TokenRequest`, `Token`, and the `Secret` inside it.

Values only; `providers` mint a token, `policy` decides who may have it.
"""

from __future__ import annotations

import hashlib
from typing import Literal, NoReturn

import msgspec

__all__ = ["ClientFlag", "Folder", "Secret", "SettingsFile", "Token", "TokenKind", "TokenRequest"]

TokenKind = Literal["bearer", "aws", "basic", "api-key"]


class Secret:
    """A secret text that cannot be printed, pickled or compared; `reveal()` is the only way out."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text. Each call site is listed by a repository test."""
        return self._value

    def token_id(self) -> str:
        """Return a short one-way name for logs and audit: 16 hex digits of SHA-256."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "Secret(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class ClientFlag(msgspec.Struct, frozen=True, kw_only=True):
    """Something between a caller and its server; *word* as in `settings.client_flags`.

    *variable* brings it in, *file* is what it names; both are for messages, and may be empty.
    """

    word: str
    variable: str = ""
    file: str = ""


class SettingsFile(msgspec.Struct, frozen=True, kw_only=True):
    """A settings file of an agent in the folder of a caller: the *variables* that it sets.

    *fault* says why they are unknown, and what helps.
    """

    path: str
    variables: tuple[tuple[str, str], ...] = ()
    fault: str = ""

    def __repr__(self) -> str:
        return f"SettingsFile({self.path})"


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller reports of its folder: its own *variables*, and *files* there.

    Only what decides where requests go.
    """

    variables: tuple[tuple[str, str], ...] = ()
    files: tuple[SettingsFile, ...] = ()

    def __repr__(self) -> str:
        return f"Folder({self.files})"


class TokenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request: which credential, in which format, and how long it must last.

    Durations are in seconds. *min_remaining* is the life that the token must still have when handed
    out (None: the default of the format); *cache_ttl* is how long the caller will keep it before
    asking again. The two `client_…` fields and *folder* are claims of the caller about where it
    will send the token: they can only deny, never grant. *variables_told*: some come from its
    report on its environment, and the answer says that this was checked. *other_than* is the id of
    a token that was refused where it is used: wait for another one.
    """

    credential: str
    format: str = "token"
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    min_remaining: float | None = None
    cache_ttl: float | None = None
    timeout: float = 4.0
    client_base_url: str | None = None
    # None: the sender did not report on its environment; else what that says, perhaps nothing.
    environment_base_url: tuple[str | None] | None = None
    client_flags: frozenset[ClientFlag] = frozenset()
    # Variables of the sender's environment that switch its client to a cloud: for messages.
    client_switches: tuple[str, ...] = ()
    folder: Folder | None = None
    variables_told: bool = False
    # Where these are from: the caller told them; or it came by a protocol that has no place for
    # them, and a program of ours found them at the caller, or nobody looked.
    claims: Literal["told", "found", "none"] = "told"
    other_than: str | None = None
    # The sender's environment says that a tool runs it (CLAUDECODE): switches the rejection
    # inference off.
    in_tool: bool = False
    # A digest of the MCP server that headers are for; it counts as a separate asker.
    mcp_server: str | None = None

    def __repr__(self) -> str:
        # A URL of the caller may hold a password.
        return f"TokenRequest({self.credential}, {self.format})"


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A minted token; times are Unix seconds, *expires_at* is None only if the source has none.

    *secret* is the bearer value; for kind `aws` it is the JSON text of `AccessKeyId`,
    `SecretAccessKey` and `SessionToken`, for kind `basic` it is `user:password`. *upstream_id*
    names the token in upstream logs (AWS access key id, Entra `uti`, JWT `jti`), never a secret.
    """

    secret: Secret
    kind: TokenKind = "bearer"
    issued_at: float
    expires_at: float | None
    audience: str | None = None
    upstream_id: str | None = None
