"""The noun itself: what a provider is, what it is asked, and what it is given to work with.

The work is done by one file per identity system; the outside world is `io` and `login_io`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, Protocol
from urllib.parse import urlsplit

import msgspec

from credward.errors import BrokerError
from credward.tokens import Secret, Token

__all__ = [
    "CheckingProvider",
    "CommandResult",
    "Grant",
    "HttpRequest",
    "HttpResponse",
    "Io",
    "LoginIo",
    "LoginMethod",
    "LoginProvider",
    "Provider",
    "ProviderRequest",
    "RevokingProvider",
    "nothing_sent",
]

LoginMethod = Literal["browser", "device"]

_LONGEST_ACCOUNT = 256


class ProviderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One mint, login or revocation: the checked settings, the narrowing, and what it needs.

    *grant* is the long-lived thing itself as text (a refresh token, or JSON that only this provider
    reads), *secrets* what the references in the settings point at as far as the daemon reads those
    (by field name; see `references`). *used_proofs* are the proofs that `Io.use_up` was told of.
    *claims* is the challenge that a login has to meet, as JSON.
    """

    credential: str
    settings: msgspec.Struct
    audience: str | None = None
    scopes: tuple[str, ...] = ()
    grant: Secret | None = None
    secrets: Mapping[str, Secret] = msgspec.field(default_factory=dict)
    used_proofs: frozenset[str] = frozenset()
    claims: str = ""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a login. *ends_at* (Unix seconds) is the grant's own end, if known.

    *account* names who logged in, for people; never a secret. One with control characters is left
    out, because users can choose their names.
    """

    secret: Secret
    account: str | None = None
    ends_at: float | None = None

    def __post_init__(self) -> None:
        if self.account is not None and not (
            self.account.isprintable() and 0 < len(self.account) <= _LONGEST_ACCOUNT
        ):
            msgspec.structs.force_setattr(self, "account", None)


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a program ended.

    Of what it wrote to stderr only the size is kept, and *error_line*: the last line, masked, which
    only owners see.
    """

    exit_code: int
    output: bytes
    error_size: int
    error_line: str = ""

    def __repr__(self) -> str:
        return f"CommandResult(exit_code={self.exit_code}, output=***)"


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request to an identity provider.

    *client_certificate*: PEM files of the certificate and of its key, for mutual TLS (RFC 8705).
    *learned*: an answer named the host, not the configuration: it must lie on a public address.
    """

    method: str
    url: str
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    body: bytes = b""
    timeout: float = 20.0
    client_certificate: tuple[str, str] | None = None
    learned: bool = False

    def __repr__(self) -> str:
        # A query may hold a code, a path a name; headers and body hold secrets.
        return f"HttpRequest({self.method} {urlsplit(self.url).hostname})"


class HttpResponse(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with any status; header names are lower case. Redirects are not followed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"HttpResponse({self.status}, {len(self.body)} bytes)"


class Io(Protocol):
    """Everything that a provider may use besides its arguments."""

    def now(self) -> float:
        """Return the wall clock in Unix seconds, as the daemon sees it."""
        ...

    def environment(self) -> Mapping[str, str]:
        """Return the worker's environment: an allow-list, nothing of the user's shell."""
        ...

    def send(self, http_request: HttpRequest) -> HttpResponse:
        """Send one request by the one outbound transport and return the whole answer.

        Raise `BrokerError` `provider-unreachable` or `timed-out` whose *sent* says whether the
        server may have seen the request; `fix-configuration` for a URL that is neither https nor
        loopback.
        """
        ...

    def save_grant(self, grant: Grant) -> None:
        """Make a rotated grant durable. Call it before the token that came with it is returned."""
        ...

    def run_command(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] = {},
        timeout: float,
        standard_input: bytes = b"",
    ) -> CommandResult:
        """Run a program to its end, *env* added to its environment.

        Raise `BrokerError` if it cannot be started, takes longer than *timeout* seconds, or says
        too much; by then nothing that it started is left.
        """
        ...

    def use_up(self, proof: str, until: float) -> None:
        """Have the one-time proof of this one-way name remembered as used up, by later mints too.

        It is durable before the outcome of this mint is known. *until*: its own end, Unix seconds.
        Only settings with a true `presents_once` are told of those that are used up.
        """
        ...

    def warn(self, message: str) -> None:
        """Tell the people who look at this credential's state; one line, no secret.

        The name of the credential comes before it, so it begins with a verb.
        """
        ...


class LoginIo(Io, Protocol):
    """What a login may do beyond a mint: talk to the user, and listen for one redirect."""

    def open_url(self, url: str) -> None:
        """Have the user's browser opened at *url*."""
        ...

    def show_code(self, *, user_code: str, url: str, complete_url: str | None) -> None:
        """Show a device code (RFC 8628) and where to type it; *complete_url* has it built in."""
        ...

    def prompt(self, field: str, label: str, *, secret: bool = False) -> str:
        """Ask the user for a value and return it."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait between two polls; the only place where a provider may sleep."""
        ...

    def receive_redirect(
        self,
        make_url: Callable[[str], str],
        *,
        path: str = "/callback",
        host: str = "127.0.0.1",
        ports: Sequence[int] = (0,),
    ) -> Mapping[str, str]:
        """Send the browser to `make_url(redirect_uri)`; return the query that comes back.

        Listens on loopback (RFC 8252 section 7.3) at the first free one of *ports* (0: any). The
        user may paste the URL of the last page instead when the browser is on another machine.
        """
        ...


class Provider(Protocol):
    """A way to mint; blocking is fine, because the worker is killed at its deadline."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Mint one token in one attempt, or raise `BrokerError`.

        No cache, sleep, retry or clock of its own, and no secret in any message. A failure that is
        certainly no use of a rotating grant (nothing was sent, or a definite refusal came) says
        `sent="no"`.
        """
        ...


class LoginProvider(Provider, Protocol):
    """A provider whose grant a human gives by logging in."""

    def login(self, token_request: ProviderRequest, io: LoginIo, method: LoginMethod) -> Grant:
        """Bring the user through one login and return the grant, or raise `BrokerError`."""
        ...


class CheckingProvider(Provider, Protocol):
    """A provider that can ask its server, before the first login, whether one would work."""

    def check(self, token_request: ProviderRequest, io: Io) -> None:
        """Raise `BrokerError` if nobody can log in as the settings say."""
        ...


class RevokingProvider(Provider, Protocol):
    """A provider that can revoke a grant upstream."""

    def revoke(self, token_request: ProviderRequest, io: Io) -> None:
        """Revoke the grant of *token_request* upstream, or raise `BrokerError`."""
        ...


@contextlib.contextmanager
def nothing_sent() -> Iterator[None]:
    """Say of every failure inside that it was no use of the grant: its server has not seen it."""
    try:
        yield
    except BrokerError as error:
        raise error.failure.unsent().error() from error
