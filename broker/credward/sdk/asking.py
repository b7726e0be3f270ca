"""Ask the daemon for a program: the question of the helper, with the same claims.

One request for each use of an SDK's hook; the SDK keeps what it gets, as long as it does.
"""

from __future__ import annotations

import sys
from pathlib import PurePath

import msgspec

from credward.clock import SystemClock
from credward.errors import BrokerError, Kind
from credward.formats.shape import one_line_secret
from credward.paths import environment
from credward.sdk.aside import by_thread
from credward.starting.reach import reach
from credward.surroundings import folder_body, report
from credward.tokens import Secret, Token, TokenKind, TokenRequest

__all__ = ["Given", "Wanted", "ask"]

# No answer is faster (seconds).
_LEAST = 0.3
# A token without an end is asked for again after this long (seconds), as at the endpoints.
_UNKNOWN = 3600.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask for. *name* None: CREDWARD_CREDENTIAL, else what was chosen, as for the helper.

    *base_url*: where the token will be sent, for credentials that are bound to a host; without it
    the environment says where. *timeout* is for each request (seconds).
    """

    name: str | None = None
    base_url: str | None = None
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    timeout: float = 30.0

    def __repr__(self) -> str:
        # A URL may hold a password.
        return f"Wanted({self.name})"

    def described(self, maker: str) -> str:
        """Return the call of *maker* that wants this, for a `repr`."""
        return f"<credward.{maker}({'' if self.name is None else repr(self.name)})>"


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: *token* of *credential*, and when to ask again at the latest (Unix seconds)."""

    credential: str
    token: Token
    token_id: str | None
    ends_at: float

    def text(self) -> str:
        """Return the token as one line; raise `bad-request` for AWS keys."""
        if self.token.kind == "aws":
            raise BrokerError(
                Kind.BAD_REQUEST,
                f'"{self.credential}" has AWS keys and no single token: '
                f'use credward.aws_session("{self.credential}")',
            )
        return one_line_secret(self.token, self.credential, "token")


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """The format `json`."""

    credential: str
    token: str
    kind: TokenKind
    issued_at: float
    expires_at: float | None

    def __repr__(self) -> str:
        return f"_Record({self.credential})"


def ask(wanted: Wanted, *, min_remaining: float = 0.0, other_than: str | None = None) -> Given:
    """Return a token that lasts *min_remaining* seconds, if its source has such a one.

    *other_than* is the id of a token that was refused where it is used: get another one. The daemon
    is started by the helper's rules. Raises `BrokerError`.
    """
    environ = environment()
    if environ.get("CREDWARD_WORKER"):
        raise BrokerError(
            Kind.RECURSION,
            "called from within one of credward's own workers: "
            "take credward out of the program that the provider runs",
        )
    clock = SystemClock()
    end = clock.elapsed() + wanted.timeout
    folder = folder_body(wanted.timeout, by_thread)
    variables = report(environ, max(_LEAST, end - clock.elapsed()), by_thread)
    client = reach(start=_is_python(), timeout=max(_LEAST, end - clock.elapsed()))
    token_request = TokenRequest(
        credential=wanted.name or environ.get("CREDWARD_CREDENTIAL") or "-",
        format="json",
        audience=wanted.audience,
        scopes=wanted.scopes,
        min_remaining=min_remaining,
        # Asked for at each use, so to come back early is no sign of a refusal.
        cache_ttl=0.0,
        timeout=max(_LEAST, end - clock.elapsed()),
        client_base_url=wanted.base_url,
        other_than=other_than,
    )
    body, headers = client.get_token(token_request, folder, variables)
    return _read(body, headers.get("token-id"), clock.now())


def _is_python() -> bool:
    """Return whether this process is a Python interpreter, which can start a daemon.

    Where Python is embedded or frozen, `sys.executable` is another program.
    """
    return PurePath(sys.executable or "").name.startswith("python")


def _read(body: bytes, token_id: str | None, now: float) -> Given:
    try:
        record = msgspec.json.decode(body, type=_Record)
    except msgspec.MsgspecError as error:
        raise BrokerError(
            Kind.INTERNAL,
            "the daemon's answer is not a credential: run credward --version and reinstall "
            "if program and daemon differ",
        ) from error
    token = Token(
        secret=Secret(record.token),
        kind=record.kind,
        issued_at=record.issued_at,
        expires_at=record.expires_at,
    )
    ends_at = now + _UNKNOWN if record.expires_at is None else record.expires_at
    return Given(credential=record.credential, token=token, token_id=token_id, ends_at=ends_at)
