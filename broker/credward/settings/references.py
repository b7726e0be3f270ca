"""Where a secret is to be found: the one way in which configuration may speak of one.

Parses and checks the words; reading the secret is the job of `providers`, except for a variable of
the daemon's own environment, which only the daemon can see and hands over as the grant.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from credward.errors import BrokerError, Kind
from credward.settings.checks import check_program
from credward.tokens import Secret

__all__ = ["Reference", "environment_grant", "refuse_literal"]

_WAYS = '{ env = "NAME" }, { file = "path" } or { command = ["op", "read", "…"] }'


class Reference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One place that holds a secret; exactly one of the fields is set.

    *store* and *keychain* are words of the format, so that they get a better answer than "unknown
    field"; this version cannot read them.
    """

    env: str | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None
    store: str | None = None
    keychain: dict[str, str] | None = None

    def __post_init__(self) -> None:
        named = [field for field in self.__struct_fields__ if getattr(self, field) is not None]
        if len(named) != 1:
            raise ValueError(f"a secret has exactly one source, {_WAYS}")
        if self.store is not None or self.keychain is not None:
            raise ValueError(f"{named[0]} cannot be read by this version of credward: use {_WAYS}")
        if self.env is not None and not (self.env.isascii() and self.env.isidentifier()):
            raise ValueError("env is the name of a variable, such as GATEWAY_KEY")
        if self.file is not None and not self.file.startswith(("/", "~/")):
            raise ValueError("file is an absolute path, or one that begins with ~/")
        if self.command is not None:
            check_program(self.command)

    def describe(self) -> str:
        """Return where the secret is, for messages; a command by its program alone."""
        match self:
            case Reference(env=str(name)):
                return f"variable {name}"
            case Reference(file=str(path)):
                return f"file {path}"
            case Reference(command=tuple(command)):
                return f"program {command[0]}"
            case _:
                return "nowhere"


def refuse_literal(value: Reference | str) -> Reference:
    """Return the reference; raise `ValueError` for a literal, without repeating it."""
    if isinstance(value, Reference):
        return value
    raise ValueError(f"a secret written out in the configuration is refused: use {_WAYS}")


def environment_grant(
    credential: str, settings: msgspec.Struct, environ: Mapping[str, str]
) -> Secret | None:
    """Return the secret that *settings* refer to by `{ env = … }`, or None where they do not.

    Called by the daemon: a worker's environment holds nothing of the daemon's own.
    """
    reference = getattr(settings, "secret", None)
    if not isinstance(reference, Reference) or reference.env is None:
        return None
    if value := environ.get(reference.env, ""):
        return Secret(value)
    raise BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{credential}" refers to {reference.env}, which is not set in the environment of the '
        "daemon: set it, then start credward serve again",
    )
