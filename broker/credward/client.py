"""The daemon seen from another process: one request per connection, synchronous, quick to import.

Returns the daemon's answer, or an error if there is no daemon; `paths` says where sockets are,
`trust` which are trusted; the caller prints.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from credward import remote, trust, wire
from credward.clock import Clock, SystemClock
from credward.errors import BrokerError, Failure, Kind
from credward.folder import FOLDER_HEADER, MEDIA_TYPE
from credward.policy.client_variables import VARIABLES_HEADER, must_be_judged
from credward.tokens import TokenRequest

__all__ = ["AuditLines", "Client"]

# An audit log is the longest answer; a longer one is not from our daemon.
_LONGEST_ANSWER = 64 * 1024 * 1024
_LONGEST_TOKEN = 16_384
# What is usual where no daemon runs: which places were tried tells nothing more.
_NOBODY = frozenset({errno.ENOENT, errno.ECONNREFUSED})
_REFRESH_TIMEOUT = 30.0
# What a probe may take after its token was minted (seconds); the daemon gives it 20.
_PROBE_TIMEOUT = 25.0
# Opening the store may ask the keychain, and a passphrase takes time (seconds).
_STORE_TIMEOUT = 75.0
# Files are written for it, and a disk may be slow (seconds).
_SESSION_TIMEOUT = 20.0

_S = TypeVar("_S", bound=msgspec.Struct)


class AuditLines(NamedTuple):
    """Lines of the audit log, one JSON object each.

    *end* is the byte offset of the next ones; None from an older daemon.
    """

    lines: bytes
    end: int | None


class Client:
    """Asks the first daemon that answers at *sockets*; *timeout* limits each request (seconds).

    A socket is used only if no other user could have made it; *named*: the user named it
    (CREDWARD_SOCKET), so the daemon may be another user's. If there is an *endpoint*
    (CREDWARD_URL), it is asked instead. Each request raises `BrokerError`.
    """

    def __init__(
        self,
        sockets: Sequence[Path],
        timeout: float = 4.0,
        *,
        named: bool = False,
        endpoint: remote.Endpoint | None = None,
        forbidding: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._sockets = sockets
        self._timeout = timeout
        self._named = named
        self._endpoint = endpoint
        self._forbidding = forbidding
        self._clock = clock or SystemClock()

    def get_token(
        self, token_request: TokenRequest, folder: bytes = b"", variables: str | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return the body in the requested format, and the answer's headers in lower case.

        *token_request* may name several credentials, joined by commas, for one body of them all.
        *folder*: the files around the caller (`credward.folder`). *variables*: the report on its
        environment (`policy.client_variables`), None if there is none. Raise `fix-configuration` if
        the daemon did not check one of them: it is older than this.
        """
        path = f"{_path(token_request.credential)}/{quote(token_request.format, safe='')}"
        query, timeout = _query(token_request, variables), token_request.timeout
        method = "POST" if folder else "GET"
        answer = self._ask(method, path, query, body=folder, media=MEDIA_TYPE, timeout=timeout)
        if folder and FOLDER_HEADER.lower() not in answer.headers:
            raise _too_old("the .claude/settings.json here")
        if (
            variables
            and must_be_judged(variables)
            and VARIABLES_HEADER.lower() not in answer.headers
        ):
            raise _too_old("the environment")
        return _checked(answer.body, token_request.format), answer.headers

    def statuses(self) -> wire.StatusList:
        """Return the states of all credentials."""
        return self._read(self._ask("GET", "/v1/credentials"), wire.StatusList)

    def refresh(
        self,
        credential: str,
        timeout: float = _REFRESH_TIMEOUT,
        *,
        audience: str | None = None,
        scopes: tuple[str, ...] = (),
    ) -> wire.RefreshResult:
        """Mint a token now, for another *audience* or other *scopes* if they are given."""
        query = {"timeout": f"{timeout:.3f}", **_narrowed(audience, scopes)}
        answer = self._ask("POST", _path(credential) + "/refresh", query, timeout=timeout)
        return self._read(answer, wire.RefreshResult)

    def rejected(
        self,
        credential: str,
        token_id: str | None = None,
        *,
        reason: wire.RejectionReason = "unauthorized",
        until: float | None = None,
    ) -> None:
        """Report a token that was refused where it is used (None: the one that is handed out now).

        *until*: when it may be used again, in Unix seconds, if the refusal said so.
        """
        report = wire.RejectedReport(token_id=token_id, reason=reason, until=until)
        body = wire.encode(report)
        self._ask("POST", _path(credential) + "/rejected", body=body)

    def probe(
        self, credential: str, probe: wire.Probe, timeout: float = _REFRESH_TIMEOUT
    ) -> wire.ProbeResult:
        """Have one request of one token sent to the service that takes this credential's token.

        *timeout*: how long a mint may take before that.
        """
        query, body = {"timeout": f"{timeout:.3f}"}, wire.encode(probe)
        whole = timeout + _PROBE_TIMEOUT
        path = _path(credential) + "/probe"
        answer = self._ask("POST", path, query, body=body, timeout=whole)
        return self._read(answer, wire.ProbeResult)

    def choices(self) -> wire.ChoiceList:
        """Return what was chosen for callers that name no credential."""
        return self._read(self._ask("GET", "/v1/choices"), wire.ChoiceList)

    def choose(self, change: wire.ChoiceChange) -> wire.ChoiceList:
        """Keep or forget a choice."""
        answer = self._ask("POST", "/v1/choices", body=wire.encode(change))
        return self._read(answer, wire.ChoiceList)

    def reload(self) -> wire.ReloadResult:
        """Reload the configuration."""
        return self._read(self._ask("POST", "/v1/reload"), wire.ReloadResult)

    def health(self) -> wire.Health:
        """Return that the daemon answers."""
        return self._read(self._ask("GET", "/v1/health"), wire.Health)

    def ready(self) -> wire.Ready:
        """Return whether tokens can be asked for."""
        return self._read(self._ask("GET", "/v1/ready"), wire.Ready)

    def endpoints(self) -> wire.EndpointList:
        """Return the endpoints on loopback."""
        return self._read(self._ask("GET", "/v1/endpoints"), wire.EndpointList)

    def begin_session(self, start: wire.SessionStart) -> wire.Session:
        """Open endpoints of this process, which end with it."""
        answer = self._ask(
            "POST", "/v1/sessions", body=wire.encode(start), timeout=_SESSION_TIMEOUT
        )
        return self._read(answer, wire.Session)

    def end_session(self, session_id: str) -> None:
        """Close the endpoints of a session before its process ends."""
        self._ask("DELETE", f"/v1/sessions/{quote(session_id, safe='')}")

    def jwks(self, credential: str) -> wire.Jwks:
        """Return the public keys of a `local` credential."""
        return self._read(self._ask("GET", _path(credential) + "/jwks"), wire.Jwks)

    def last_words(self, credential: str) -> wire.LastWords:
        """Return what the program of the last failed mint said, masked; for owners only."""
        return self._read(self._ask("GET", _path(credential) + "/stderr"), wire.LastWords)

    def audit(self, after: int | None = None) -> AuditLines:
        """Return the newest lines of the audit log, or those from a byte offset on."""
        answer = self._ask("GET", "/v1/audit", {} if after is None else {"after": str(after)})
        end = answer.headers.get("audit-end", "")
        return AuditLines(answer.body, int(end) if end.isdecimal() else None)

    # --- grants and the store -----------------------------------------------------------------

    def login(
        self, name: str, method: str | None = None, claims: str | None = None
    ) -> wire.LoginStarted:
        """Start a login for a grant or a credential on it, or join the current one.

        *claims*: the challenge that it must answer, as JSON.
        """
        body = wire.encode(wire.LoginStart(method=method, claims=claims))
        answer = self._ask("POST", _grant(name, "login"), body=body, timeout=_STORE_TIMEOUT)
        return self._read(answer, wire.LoginStarted)

    def login_check(self, name: str) -> None:
        """Ask the server of a grant, or of a credential on it, whether people can log in there."""
        self._ask("POST", _grant(name, "check"), timeout=_STORE_TIMEOUT)

    def login_events(
        self, login_id: str, after: int, seconds: float = 25.0
    ) -> list[wire.LoginEvent]:
        """Return the events of a login after the first *after*; wait for one."""
        query = {"after": str(after), "timeout": f"{seconds:.3f}"}
        path = f"/v1/logins/{quote(login_id, safe='')}/events"
        lines = self._ask("GET", path, query, timeout=seconds + 5.0).body.splitlines()
        return [wire.decode(line, wire.LoginEvent) for line in lines]

    def login_answer(self, login_id: str, field: str, value: str) -> None:
        """Pass on what the user typed."""
        body = wire.encode(wire.LoginAnswer(field=field, value=value))
        path = f"/v1/logins/{quote(login_id, safe='')}/answer"
        self._ask("POST", path, body=body, confiding=True)

    def login_cancel(self, login_id: str) -> None:
        """Cancel a login."""
        self._ask("DELETE", f"/v1/logins/{quote(login_id, safe='')}")

    def login_cancel_of(self, name: str) -> wire.LoginGivenUp:
        """Cancel the current login of a grant or a credential on it, wherever it was started."""
        return self._read(self._ask("DELETE", _grant(name, "login")), wire.LoginGivenUp)

    def import_grant(self, name: str, grant: str) -> wire.GrantGiven:
        """Hand over an existing refresh token for good."""
        body = wire.encode(wire.GrantImport(grant=grant))
        answer = self._ask(
            "POST", _grant(name, "grant"), body=body, timeout=_STORE_TIMEOUT, confiding=True
        )
        return self._read(answer, wire.GrantGiven)

    def logout(self, name: str) -> wire.GrantDropped:
        """Revoke a grant if possible, and forget it."""
        answer = self._ask("POST", _grant(name, "logout"), timeout=_STORE_TIMEOUT)
        return self._read(answer, wire.GrantDropped)

    def revoke_all(self) -> wire.Dropped:
        """Revoke every grant if possible, and drop everything."""
        return self._read(self._ask("POST", "/v1/revoke-all", timeout=_STORE_TIMEOUT), wire.Dropped)

    def lock(self, passphrase: str | None) -> None:
        """Lock the store."""
        body = wire.encode(wire.Passphrase(passphrase=passphrase))
        given = passphrase is not None
        self._ask("POST", "/v1/lock", body=body, timeout=_STORE_TIMEOUT, confiding=given)

    def unlock(self, passphrase: str | None) -> None:
        """Unlock the store."""
        body = wire.encode(wire.Passphrase(passphrase=passphrase))
        given = passphrase is not None
        self._ask("POST", "/v1/unlock", body=body, timeout=_STORE_TIMEOUT, confiding=given)

    def secret_names(self) -> wire.SecretNames:
        """Return the names of stored secrets, and what each is bound to."""
        answer = self._ask("GET", "/v1/secrets", timeout=_STORE_TIMEOUT)
        return self._read(answer, wire.SecretNames)

    def secret_set(
        self, name: str, value: str, origin: str = "", *, timeout: float = _STORE_TIMEOUT
    ) -> wire.SecretKept:
        """Store a secret; *origin*: the note about the line that it may go back to."""
        body = wire.encode(wire.SecretValue(value=value, origin=origin))
        path = f"/v1/secrets/{quote(name, safe='')}"
        answer = self._ask("PUT", path, body=body, timeout=timeout, confiding=True)
        return self._read(answer, wire.SecretKept)

    def secret_allow(self, name: str) -> wire.SecretAllowed:
        """Bind a secret to its use in the current configuration."""
        path = f"/v1/secrets/{quote(name, safe='')}/allow"
        answer = self._ask("POST", path, timeout=_STORE_TIMEOUT)
        return self._read(answer, wire.SecretAllowed)

    def secret_give_back(self, name: str) -> wire.SecretGivenBack:
        """Return a secret that was taken out of a file, to write it there again; it stays stored.

        Raise `bad-request` for a secret that came any other way.
        """
        path = f"/v1/secrets/{quote(name, safe='')}/give-back"
        # What comes back is written into a file, so it must be from a daemon that may know secrets.
        answer = self._ask("POST", path, timeout=_STORE_TIMEOUT, confiding=True)
        return self._read(answer, wire.SecretGivenBack)

    def secret_origin_remove(
        self, name: str, *, timeout: float = _STORE_TIMEOUT
    ) -> wire.SecretKept:
        """Say that a secret is in its file again: it is not given back any more."""
        path = f"/v1/secrets/{quote(name, safe='')}/origin"
        answer = self._ask("DELETE", path, timeout=timeout)
        return self._read(answer, wire.SecretKept)

    def secret_remove(self, name: str, *, timeout: float = _STORE_TIMEOUT) -> wire.SecretKept:
        """Forget a secret."""
        path = f"/v1/secrets/{quote(name, safe='')}"
        answer = self._ask("DELETE", path, timeout=timeout)
        return self._read(answer, wire.SecretKept)

    # --- one request --------------------------------------------------------------------------

    def _ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes = b"",
        media: str = "application/json",
        timeout: float | None = None,
        confiding: bool = False,
    ) -> _Answer:
        deadline = self._clock.elapsed() + (self._timeout if timeout is None else timeout)
        target = f"{path}?{_encoded(query)}" if query else path
        described = f"Content-Type: {media}\r\n" if body else ""
        head = (
            f"{method} {target} HTTP/1.1\r\n{self._addressed()}Accept: application/json\r\n"
            f"{described}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with self._connect(deadline, confiding=confiding) as connection:
            try:
                connection.settimeout(self._remaining(deadline))
                connection.sendall(head.encode("ascii") + body)
                answer = _parse(self._read_all(connection, deadline))
            except TimeoutError as error:
                raise _timed_out() from error
            except OSError as error:
                raise BrokerError(
                    Kind.NOT_RUNNING, "the daemon ended before it answered: ask again"
                ) from error
        if answer.is_problem:
            raise _failure(answer)
        return answer

    def _addressed(self) -> str:
        """Return the header lines that say who is asked, and at an endpoint with which bearer."""
        if self._endpoint is None:
            return "Host: credward\r\n"
        token = remote.bearer(self._endpoint).reveal()
        return f"Host: {self._endpoint.authority}\r\nAuthorization: Bearer {token}\r\n"

    def _connect(self, deadline: float, *, confiding: bool) -> socket.socket:
        """Return a connection to the first socket that accepts one; *confiding* as in `trust`.

        The reason for refusing a socket says more than "nobody listens" at another.
        """
        if self._endpoint is not None:
            if confiding:
                raise BrokerError(
                    Kind.FIX_CONFIGURATION,
                    "no secret goes to the endpoint that CREDWARD_URL names: "
                    "run this on the machine of the daemon",
                )
            if not self._endpoint.is_here:
                self._check_that_nobody_is_here(deadline)
            return remote.connect(self._endpoint, lambda: self._remaining(deadline))
        missed = []
        refused: Failure | None = None
        for path in self._sockets:
            try:
                return trust.connect(
                    path,
                    lambda: self._remaining(deadline),
                    named=self._named,
                    confiding=confiding,
                )
            except BrokerError as error:
                refused = refused or error.failure
            except OSError as error:
                if error.errno not in _NOBODY:
                    missed.append(f"{path}: {error.strerror or error}")
        if refused is not None:
            raise refused.error()
        raise self._nobody(missed)

    def _check_that_nobody_is_here(self, deadline: float) -> None:
        """Raise `fix-configuration` if this machine has a daemon: then it is no container.

        A repository may have set the variable, and a name server may lead a name anywhere.
        """
        for path in self._sockets:
            try:
                trust.connect(path, lambda: self._remaining(deadline)).close()
            except (BrokerError, OSError):
                continue
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                "CREDWARD_URL leads out of this machine, which has a daemon of its own: "
                "unset CREDWARD_URL",
            )

    def _nobody(self, missed: list[str]) -> BrokerError:
        hint = "tried " + "; ".join(missed) if missed else ""
        if not self._sockets:
            hint = "there is no place to look for one"
        if self._named:
            line = f'no daemon answers at "{self._sockets[0]}", which CREDWARD_SOCKET names: '
            return BrokerError(
                Kind.NOT_RUNNING, line + "start that one, or unset CREDWARD_SOCKET", hint=hint
            )
        line = "the daemon is not running: run credward daemon start"
        if self._forbidding is not None:
            # `credward daemon start` obeys it too, so it would not help.
            line = (
                f"the daemon is not running, and {self._forbidding} forbids to start it: "
                f"unset {self._forbidding}"
            )
        return BrokerError(Kind.NOT_RUNNING, line, hint=hint)

    def _read_all(self, connection: socket.socket, deadline: float) -> bytes:
        received = bytearray()
        while True:
            connection.settimeout(self._remaining(deadline))
            try:
                chunk = connection.recv(65_536)
            except ConnectionResetError:
                # A refusal may come before our request was read: the answer is there anyway.
                break
            if not chunk:
                break
            received += chunk
            if len(received) > _LONGEST_ANSWER:
                raise _not_ours()
        return bytes(received)

    def _remaining(self, deadline: float) -> float:
        remaining = deadline - self._clock.elapsed()
        if remaining <= 0:
            raise _timed_out()
        return remaining

    def _read(self, answer: _Answer, shape: type[_S]) -> _S:
        try:
            return wire.decode(answer.body, shape)
        except BrokerError as error:
            raise _not_ours() from error


class _Answer(msgspec.Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes

    def __repr__(self) -> str:
        return f"_Answer({self.status}, {len(self.body)} bytes)"

    @property
    def is_problem(self) -> bool:
        """Whether it is a failure; `ready` answers 503 with its own body."""
        return (
            not 200 <= self.status < 300 and self.headers.get("content-type") != "application/json"
        )


def _path(credential: str) -> str:
    return "/v1/credentials/" + quote(credential, safe=",")


def _grant(name: str, action: str) -> str:
    return f"/v1/grants/{quote(name, safe='')}/{action}"


def _query(token_request: TokenRequest, variables: str | None) -> dict[str, str]:
    query = {"timeout": f"{token_request.timeout:.3f}"}
    if token_request.client_base_url is not None:
        query["client_base_url"] = token_request.client_base_url
    if variables is not None:
        query["variables"] = variables
    if token_request.mcp_server is not None:
        query["mcp_server"] = token_request.mcp_server
    if token_request.min_remaining is not None:
        query["min_remaining"] = f"{token_request.min_remaining:.3f}"
    if token_request.cache_ttl is not None:
        query["cache_ttl"] = f"{token_request.cache_ttl:.3f}"
    query |= _narrowed(token_request.audience, token_request.scopes)
    if token_request.client_flags:
        words = {each.word for each in token_request.client_flags}
        query["client_flags"] = ",".join(sorted(words))
    if token_request.in_tool:
        query["in_tool"] = "1"
    if token_request.other_than is not None:
        query["not"] = token_request.other_than
    return query


def _narrowed(audience: str | None, scopes: tuple[str, ...]) -> dict[str, str]:
    query = {} if audience is None else {"audience": audience}
    return query | ({"scope": " ".join(scopes)} if scopes else {})


def _encoded(query: Mapping[str, str]) -> str:
    # The list of variables has its own encoding inside, and stays readable.
    safe = {"variables": "=,"}
    return "&".join(
        f"{name}={quote(value, safe=safe.get(name, ''))}" for name, value in query.items()
    )


def _parse(received: bytes) -> _Answer:
    if not received:
        raise ConnectionResetError("closed without an answer")
    head, found, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if not found or len(words) < 2 or words[0] != "HTTP/1.1" or not words[1].isdigit():
        raise _not_ours()
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = headers.get("content-length", "")
    if not length.isdigit():
        raise _not_ours()
    if len(body) < int(length):
        raise ConnectionResetError("closed in the middle of an answer")
    return _Answer(int(words[1]), headers, body[: int(length)])


def _failure(answer: _Answer) -> BrokerError:
    try:
        return wire.decode(answer.body, wire.Problem).to_error()
    except BrokerError:
        slug, status = answer.headers.get("credward-kind", ""), answer.status
        # For an unknown kind (from a newer daemon) the status decides.
        known = [kind for kind in Kind if kind.slug == slug]
        kind = next(
            iter([*known, *(each for each in Kind if each.status == status)]), Kind.INTERNAL
        )
        return BrokerError(
            kind, f"the daemon answered {status} without saying why: run credward status"
        )


def _checked(body: bytes, format_name: str) -> bytes:
    """Return the text to print: never empty, and for `token` valid for a harness."""
    token = body.removesuffix(b"\n")
    if format_name != "token" and body:
        return body
    if 0 < len(token) <= _LONGEST_TOKEN and all(0x21 <= byte <= 0x7E for byte in token):
        return token + b"\n"
    shape = "one token of printable ASCII" if format_name == "token" else "a credential"
    raise BrokerError(
        Kind.INTERNAL,
        f"the daemon's answer is not {shape}: "
        "run credward --version and reinstall if command and daemon differ",
    )


def _too_old(what: str) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f"the daemon is older than this command and does not check {what}: "
        "run credward daemon restart",
    )


def _timed_out() -> BrokerError:
    return BrokerError(Kind.TIMED_OUT, "the daemon did not answer in time: run credward status")


def _not_ours() -> BrokerError:
    return BrokerError(
        Kind.INTERNAL,
        "the program that answers is not a credward daemon of this version: run credward doctor",
    )
