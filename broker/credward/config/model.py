"""The configuration as one frozen value. `load` reads and checks it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from credward.settings.doors import DoorKind
from credward.settings.meaning import Meaning, meaning_of
from credward.settings.network import NetworkSettings

__all__ = [
    "AuditConfig",
    "Config",
    "CredentialConfig",
    "EndpointConfig",
    "ListenConfig",
    "NotifyConfig",
    "PolicyConfig",
    "SinkConfig",
    "SinkFormat",
    "StoreConfig",
]


SinkFormat = Literal["token", "env", "json", "aws-credentials", "anthropic-profile"]


class CredentialConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One `[credentials.NAME]`. Durations are in seconds; *origin* is `path:line`.

    *base_urls*: where a token may be sent, as written or as the settings imply; none: anywhere.
    *bound*: they were written. *epoch* changes with anything that makes it a different credential:
    tokens of another epoch are never handed out. *fallback*: credentials that can replace it, in
    this order.
    """

    name: str
    provider: str
    settings: msgspec.Struct
    epoch: str
    grant: str
    base_urls: tuple[str, ...] = ()
    bound: bool = False
    allowed_flags: frozenset[str] = frozenset()
    audiences: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    header: str | None = None
    env_name: str | None = None
    keep: Literal["demand", "always"] = "demand"
    idle_after: float | None = None
    persist: bool = False
    fallback: tuple[str, ...] = ()
    origin: str = ""

    @property
    def meaning(self) -> Meaning:
        """What the settings mean."""
        return meaning_of(self.settings)


class ListenConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[listen]`: for whom the socket is made."""

    mode: Literal["user", "system", "sidecar"] = "user"
    socket: Path | None = None
    group: str | None = None
    allow_uids: tuple[int, ...] = ()


class EndpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[endpoints]]`: a *door* on loopback for *credentials*, the first one is the usual.

    *port* None: one is chosen when it opens. *origin* is `path:line`.
    """

    door: DoorKind
    credentials: tuple[str, ...]
    port: int | None = None
    origin: str = ""

    @property
    def limited_to(self) -> tuple[str, ...] | None:
        """The credentials that callers may name, None if they name none: then the door does."""
        return self.credentials if self.door == "http" else None

    @property
    def name(self) -> str:
        """What tells it from the others, for people."""
        where = self.credentials[0] if self.port is None else str(self.port)
        return f"{self.door}-{where}"


class SinkConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One `[[sinks]]`: a file at *path* that holds a token of *credential*, kept fresh.

    For `anthropic-profile`, *path* is the folder with `configs` and `credentials`. *profile* is the
    part of the file, or of the folder, that is ours; "" where all of it is. *mode* are its
    permissions, *on_change* a program and its arguments, run after each rewrite. *single_use*: who
    reads the token presents it once. *origin* is `path:line`.
    """

    credential: str
    path: Path
    format: SinkFormat
    profile: str = ""
    mode: int = 0o600
    on_change: tuple[str, ...] = ()
    single_use: bool = False
    origin: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """What no other sink may have: its path, and its part there."""
        return str(self.path), self.profile

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.path} [{self.profile}]" if self.profile else str(self.path)


class PolicyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[policy]`: a directory of Cedar files beside the shipped one."""

    directory: Path | None = None


class AuditConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[audit]`: the file for the record of decisions, and whether each line is synced."""

    path: Path | None = None
    sync: Literal["batch", "always"] = "batch"


class StoreConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[store]`: where the key of the sealed store comes from.

    *key* None: the keychain, or *key_file* if there is none. *shared*: the state directory is on a
    network file system on purpose. *lock_after*: seconds without a request until a store with a
    passphrase locks itself.
    """

    key: Literal["keychain", "systemd", "passphrase", "memory", "key_file"] | None = None
    key_file: Path | None = None
    shared: bool = False
    lock_after: float | None = None


class NotifyConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`[notify]`: *login_required* is a program and its arguments; empty: no notices."""

    login_required: tuple[str, ...] = ()


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was configured, layers merged."""

    default: str | None = None
    credentials: Mapping[str, CredentialConfig] = msgspec.field(default_factory=dict)
    endpoints: tuple[EndpointConfig, ...] = ()
    sinks: tuple[SinkConfig, ...] = ()
    listen: ListenConfig = msgspec.field(default_factory=ListenConfig)
    policy: PolicyConfig = msgspec.field(default_factory=PolicyConfig)
    audit: AuditConfig = msgspec.field(default_factory=AuditConfig)
    store: StoreConfig = msgspec.field(default_factory=StoreConfig)
    notify: NotifyConfig = msgspec.field(default_factory=NotifyConfig)
    network: NetworkSettings = msgspec.field(default_factory=NetworkSettings)
    sources: tuple[Path, ...] = ()
    digests: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
