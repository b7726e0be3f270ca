"""The worker's side of the link: reads one request, has the provider work, answers, wipes.

One request at a time, without a deadline: the daemon kills this process when it takes too long.
Only an exchange that rotates a grant outlives the daemon, see `exchange`.
"""

from __future__ import annotations

import base64
import contextlib
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import msgspec

from credward import __version__
from credward.clock import SystemClock
from credward.errors import BrokerError, Failure, Kind
from credward.providers.io import Machine, WorkerIo
from credward.providers.login_io import WorkerLoginIo
from credward.providers.provider import (
    CheckingProvider,
    Grant,
    HttpRequest,
    LoginMethod,
    LoginProvider,
    Provider,
    ProviderRequest,
    RevokingProvider,
)
from credward.providers.registry import load_provider
from credward.settings.network import NetworkSettings
from credward.settings.registry import settings_of
from credward.store.journal import Journal, Lease
from credward.tokens import Token
from credward.workers.confine import confine
from credward.workers.environment import rules_of
from credward.workers.exchange import Exchange, seal
from credward.workers.link import (
    MAX_LINE,
    CheckRequest,
    Done,
    Failed,
    GrantGiven,
    Hello,
    LoginAnswer,
    LoginRequest,
    LoginStep,
    Message,
    Minted,
    MintRequest,
    Probed,
    ProbeRequest,
    Request,
    RevokeRequest,
    decode_request,
    encode_answer,
)
from credward.workers.token_bytes import find_unprintable, wipe

if TYPE_CHECKING:
    from credward.providers.transport import Transport

__all__ = ["main"]


def main(provider: str, descriptor: int, journal: int | None = None) -> int:
    """Serve requests on *descriptor* until the daemon closes it; return the exit code.

    *journal* is the descriptor of this worker's rotation journal.
    """
    rules = rules_of(provider)
    # A worker with a journal may be asked to rotate, even if it is not in the table.
    confine(rules if journal is None else msgspec.structs.replace(rules, rotates=True))
    for inherited in (descriptor, journal):
        if inherited is not None:
            os.set_inheritable(inherited, False)
    with socket.socket(fileno=descriptor) as link:
        talk = _Link(link)
        # Before loading the provider, where another version would fail in strange ways.
        talk.send(Hello(version=__version__, provider=provider))
        worker = _Worker(provider, talk, None if journal is None else Journal(journal))
        while worker.serve():
            _reap()
    return 0


class _Link:
    """Lines in, lines out; every buffer is wiped."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._buffer = bytearray(MAX_LINE)

    def fileno(self) -> int:
        return self._link.fileno()

    def receive(self) -> Request | None:
        """Return the next request, or None when the daemon is gone."""
        size = self._receive_line()
        try:
            return decode_request(memoryview(self._buffer)[:size]) if size else None
        finally:
            wipe(memoryview(self._buffer)[:size])

    def send(self, answer: Message) -> None:
        line = encode_answer(answer)
        try:
            self._link.sendall(line)
        except OSError:
            # The daemon is gone, and this process will notice soon.
            pass
        finally:
            wipe(line)

    def _receive_line(self) -> int:
        used = 0
        with memoryview(self._buffer) as view:
            while used < len(self._buffer):
                try:
                    received = self._link.recv_into(view[used:])
                except OSError:
                    return 0
                if not received:
                    return 0
                used += received
                if self._buffer[used - 1] == ord("\n"):
                    return used
        return 0


class _Worker:
    """Loads the provider once, at the first request, and turns every outcome into an answer."""

    def __init__(self, name: str, link: _Link, journal: Journal | None) -> None:
        self._name = name
        self._link = link
        self._journal = journal
        self._provider: Provider | None = None
        self._transports: dict[NetworkSettings, Transport] = {}
        self._used_up: dict[str, float] = {}

    def serve(self) -> bool:
        """Do what the next request asks for; return False when the daemon is gone."""
        try:
            self._used_up = {}
            if (request := self._link.receive()) is None:
                return False
            answer = self._answer(request)
        except BrokerError as error:
            answer = Failed.of(error.failure, self._used_up)
        except Exception as error:  # noqa: BLE001 - the last resort: the text may hold a secret
            answer = Failed.of(
                Failure.of(
                    Kind.INTERNAL,
                    f'provider "{self._name}" failed (a bug, {type(error).__name__}): '
                    "run credward doctor",
                    sent="maybe",
                ),
                self._used_up,
            )

        if answer is not None:
            self._link.send(answer)
        return True

    def _answer(self, request: Request) -> Message | None:
        match request:
            case MintRequest():
                return self._mint(request)
            case LoginRequest():
                return self._login(request)
            case RevokeRequest():
                return self._revoke(request)
            case CheckRequest():
                return self._check(request)
            case ProbeRequest():
                return self._probe(request)
            case LoginAnswer():
                # For a prompt of a login that has ended.
                return None

    def _mint(self, request: MintRequest) -> Message:
        if request.rotation is None:
            io = self._io(request, keep_grant=_leave_grant)
            return self._describe(self._mint_by(request, io), request.credential, io.warning, None)
        exchange = Exchange(request.rotation, self._journal, SystemClock().elapsed)
        io = self._io(request, before_send=exchange.before, keep_grant=exchange.keep)
        try:
            token = self._mint_by(request, io)
        except BrokerError as error:
            if exchange.opened:
                raise
            # In any case the grant stayed in this process.
            raise error.failure.unsent().error() from error
        finally:
            exchange.close()
        return self._describe(token, request.credential, io.warning, exchange)

    def _mint_by(self, request: MintRequest, io: WorkerIo) -> Token:
        try:
            return self._load().mint(self._provider_request(request), io)
        except BrokerError as error:
            if io.reached:
                raise
            raise error.failure.on_this_machine().error() from error

    def _describe(
        self, token: Token, credential: str, warning: str | None, exchange: Exchange | None
    ) -> Minted:
        text = token.secret.reveal()
        if not text or len(text) > MAX_LINE // 4 or find_unprintable(text.encode()) >= 0:
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{credential}" got no valid token ({len(text)} characters, expected '
                f"printable ASCII, at most {MAX_LINE // 4}): run credward doctor",
            )
        return Minted(
            token=msgspec.Raw(msgspec.json.encode(text)),
            kind=token.kind,
            issued_at=token.issued_at,
            expires_at=token.expires_at,
            audience=token.audience,
            upstream_id=token.upstream_id,
            warning=warning,
            rotated=None if exchange is None else exchange.rotated,
            used_up=self._used_up,
        )

    def _login(self, request: LoginRequest) -> Message:
        provider = self._load()
        if not hasattr(provider, "login"):
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{request.credential}" needs no login, provider {self._name} has none',
            )
        io = WorkerLoginIo(
            self._machine(request),
            credential=request.credential,
            tell=lambda **fields: self._link.send(LoginStep(**fields)),
            hear=self._hear,
            link=self._link.fileno(),
        )
        with io.answering() as worked:
            grant = cast("LoginProvider", provider).login(
                self._provider_request(request), io, cast("LoginMethod", request.method)
            )
            worked(grant.account)
        # Sealed without a grant name: only the daemon knows which grant this login is for.
        lease = Lease(mint="login", grant=request.credential, family=0, generation=-1)
        return GrantGiven(sealed=seal(grant, lease, base64.b64decode(request.key.reveal())).sealed)

    def _hear(self) -> tuple[str, str | None]:
        answer = self._link.receive()
        if not isinstance(answer, LoginAnswer):
            # The daemon is gone, or cancelled the login.
            raise SystemExit
        return answer.field, None if answer.value is None else answer.value.reveal()

    def _revoke(self, request: RevokeRequest) -> Message:
        provider = self._load()
        if hasattr(provider, "revoke"):
            cast("RevokingProvider", provider).revoke(
                self._provider_request(request), self._io(request)
            )
        return Done()

    def _check(self, request: CheckRequest) -> Message:
        provider = self._load()
        if hasattr(provider, "check"):
            cast("CheckingProvider", provider).check(
                self._provider_request(request), self._io(request)
            )
        return Done()

    def _probe(self, request: ProbeRequest) -> Message:
        from credward.providers.upstream import Asked, ask  # noqa: PLC0415 - only its worker needs it

        asked = Asked(
            credential=request.credential,
            question=request.question,
            token=request.token,
            kind=request.kind,
            now=request.now,
        )
        return Probed(reply=ask(asked, self._transport(request.network)()))

    def _load(self) -> Provider:
        if self._provider is None:
            self._provider = load_provider(self._name)
        return self._provider

    def _io(
        self,
        request: MintRequest | RevokeRequest | CheckRequest,
        *,
        before_send: Callable[[HttpRequest], None] | None = None,
        keep_grant: Callable[[Grant], None] | None = None,
    ) -> WorkerIo:
        return WorkerIo(
            self._machine(request),
            credential=request.credential,
            before_send=before_send,
            keep_grant=keep_grant,
            used_up=self._used_up,
        )

    def _machine(
        self, request: MintRequest | LoginRequest | RevokeRequest | CheckRequest
    ) -> Machine:
        return Machine(
            clock=SystemClock(),
            now=request.now,
            environ=os.environ,  # built for this worker alone, by `environment`
            transport=self._transport(request.network),
        )

    def _provider_request(self, request: Any) -> ProviderRequest:
        return ProviderRequest(
            credential=request.credential,
            settings=msgspec.convert(request.settings, settings_of(self._name)),
            audience=request.audience,
            scopes=tuple(request.scopes),
            grant=request.grant,
            secrets=request.secrets,
            used_proofs=frozenset(getattr(request, "used_proofs", ())),
            claims=getattr(request, "claims", ""),
        )

    def _transport(self, network: NetworkSettings) -> Callable[[], Transport]:
        """Return a maker of the transport, for its first use: most providers do not dial."""

        def make() -> Transport:
            from credward.providers.transport import Transport  # noqa: PLC0415 - 15 MB, 40 ms

            if network not in self._transports:
                self._transports[network] = Transport(network)
            return self._transports[network]

        return make


def _leave_grant(_grant: Grant) -> None:
    """Keep no new grant if the old one stays valid: nobody here could store it."""


def _reap() -> None:
    """Reap the orphans of programs: as a subreaper this process inherits them."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
