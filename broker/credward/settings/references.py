"""Where a secret is: the only way in which the configuration may name one.

Parses and checks the words. `providers.references` reads files and programs in a worker; the daemon
itself reads what only it can reach (its environment, the store, the keychain, another credential).
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from credward.settings.checks import check_program
from credward.settings.subscriptions import refuse_place, refuse_program

__all__ = [
    "PROOFS",
    "Reference",
    "references_in",
    "refuse_literal",
]

_WAYS = (
    '{ store = "name" }, { env = "NAME" }, { file = "path" }, { command = ["op", "read", "…"] } '
    'or { keychain = { service = "…", account = "…" } }'
)
_UNIX = "unix://"
# The settings, of any provider, that hold a JWT to be presented in an exchange.
PROOFS = frozenset(
    {"assertion", "client_assertion", "identity", "jwt", "subject_token", "web_identity_token"}
)


class Keychain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An existing item of the operating system's keychain; read, never written."""

    service: str
    account: str


class Reference(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One place that holds a secret; exactly one of the fields is set, but for *audience*.

    *credential*: a token of another credential, minted for this use and never kept. *spiffe*: the
    Workload API at this address gives a JWT-SVID for *audience*, a proof for one of `PROOFS`.
    """

    store: str | None = None
    env: str | None = None
    file: str | None = None
    command: tuple[str, ...] | None = None
    keychain: Keychain | None = None
    credential: str | None = None
    spiffe: str | None = None
    audience: str | None = None

    def __post_init__(self) -> None:
        named = [field for field in self.__struct_fields__ if getattr(self, field) is not None]
        if self.spiffe is not None or self.audience is not None:
            self._check_spiffe()
            named.remove("audience")
        if len(named) != 1:
            raise ValueError(f"a secret has exactly one source: {_WAYS}")
        if self.env is not None and not (self.env.isascii() and self.env.isidentifier()):
            raise ValueError("env is the name of a variable, such as GATEWAY_KEY")
        if self.file is not None and not self.file.startswith(("/", "~/")):
            raise ValueError("file is an absolute path, or one that begins with ~/")
        if self.command is not None:
            check_program(self.command)
            refuse_program(self.command)
        service = None if self.keychain is None else self.keychain.service
        refuse_place(file=self.file, env=self.env, keychain=service)

    @property
    def of_daemon(self) -> bool:
        """Whether the daemon reads it; a worker reads files and programs, and asks an agent."""
        return self.file is None and self.command is None and self.spiffe is None

    def describe(self) -> str:
        """Return where the secret is, for messages; a command by its program alone."""
        match self:
            case Reference(store=str(name)):
                return f'"{name}" of the store'
            case Reference(env=str(name)):
                return f"variable {name}"
            case Reference(file=str(path)):
                return f"file {path}"
            case Reference(command=tuple(command)):
                return f"program {command[0]}"
            case Reference(keychain=Keychain(service=service)):
                return f'keychain item "{service}"'
            case Reference(credential=str(name)):
                return f'credential "{name}"'
            case Reference(spiffe=str(address)):
                return f"the SPIFFE Workload API at {address.removeprefix(_UNIX)}"
            case _:
                return "nowhere"

    def _check_spiffe(self) -> None:
        if self.spiffe is None or not self.audience:
            raise ValueError(
                'spiffe and audience go together: { spiffe = "unix:///run/spire/agent.sock", '
                'audience = "…" }'
            )
        path = self.spiffe.removeprefix(_UNIX)
        plain = path.isprintable() and not {"?", "#"} & set(path)
        if path == self.spiffe or not path.startswith("/") or not plain:
            raise ValueError(
                "spiffe is a Workload API on this machine, such as unix:///run/spire/agent.sock"
            )


def refuse_literal(value: Reference | str) -> Reference:
    """Return the reference; raise `ValueError` for a literal, without repeating it."""
    if isinstance(value, Reference):
        return value
    raise ValueError(
        "a secret written out in the configuration is refused: "
        f"run credward secret set NAME, then use {_WAYS}"
    )


def references_in(settings: msgspec.Struct) -> Mapping[str, Reference]:
    """Return the references among the settings, by field."""
    fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
    return {name: value for name, value in fields.items() if isinstance(value, Reference)}
