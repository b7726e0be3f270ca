"""The keys of each table of the configuration, except the providers' settings.

Words and types only; `load` reads and merges, `credward.settings` has the providers' keys.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from credward.config.model import SinkFormat
from credward.settings.checks import check_program
from credward.settings.doors import DoorKind

__all__ = [
    "AuditSection",
    "CommonSection",
    "EndpointSection",
    "ListenSection",
    "NotifySection",
    "PolicySection",
    "ServeSection",
    "SinkSection",
    "StoreSection",
]


class ServeSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[credentials.NAME.serve]`: what callers may ask for besides the configured values."""

    audiences: list[str] = []
    scopes: list[str] = []


class CommonSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of every `[credentials.NAME]`, for any provider."""

    provider: str
    base_url: str | None = None
    base_urls: list[str] = []
    allow_client_flags: list[str] = []
    header: (
        Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9-]{1,64}(: [A-Za-z0-9-]{1,32})?$")] | None
    ) = None
    env_name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    keep: Literal["demand", "always"] = "demand"
    idle_after: Annotated[float, msgspec.Meta(ge=0)] | None = None
    grant: str | None = None
    persist: bool = False
    fallback: list[str] = []
    serve: ServeSection = ServeSection()


class ListenSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[listen]`."""

    mode: Literal["user", "system", "sidecar"] = "user"
    socket: str | None = None
    group: str | None = None
    allow_uids: list[Annotated[int, msgspec.Meta(ge=0)]] = []


class EndpointSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[endpoints]]`: a door on loopback, and what it hands out."""

    door: DoorKind
    credential: str | None = None
    credentials: list[str] = []
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] | None = None


class SinkSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[sinks]]`: a file that is kept fresh."""

    credential: str
    path: str
    format: SinkFormat
    profile: str | None = None
    mode: str = "0600"
    on_change: list[str] | None = None
    single_use: bool = False

    def __post_init__(self) -> None:
        if self.on_change is not None:
            check_program(self.on_change, "on_change", '["systemctl", "--user", "reload", "app"]')


class PolicySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[policy]`."""

    directory: str | None = None


class AuditSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[audit]`."""

    path: str | None = None
    sync: Literal["batch", "always"] = "batch"


class StoreSection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[store]`: where our grants and other secrets are kept, and what opens it."""

    key: Literal["keychain", "systemd", "passphrase", "memory", "key_file"] | None = None
    key_file: str | None = None
    shared: bool = False
    lock_after: Annotated[float, msgspec.Meta(gt=0)] | None = None


class NotifySection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`[notify]`: the program that tells the owner something."""

    login_required: list[str] | None = None

    def __post_init__(self) -> None:
        if self.login_required is not None:
            check_program(self.login_required, "login_required", '["notify-send", "credward"]')
