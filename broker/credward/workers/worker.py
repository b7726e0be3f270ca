"""One worker process seen from the daemon: its start, its requests, its end.

Handles one request at a time; `pool` decides how many workers there are and who gets which.
"""

from __future__ import annotations

import asyncio
import os
import site
import socket
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

import credward
from credward.errors import BrokerError, Kind, Sent
from credward.processes import kill_session, kill_tree
from credward.upstream import Reply
from credward.workers.environment import build_environment, rules_of
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
    MintedToken,
    MintRequest,
    Probed,
    ProbeRequest,
    Request,
    RevokeRequest,
    encode_request,
)
from credward.workers.receiver import AnswerReceiver, LinkBrokenError
from credward.workers.token_bytes import wipe

__all__ = ["JournalFile", "Worker"]

# A request is one write, so the socket must hold a whole line; the default of macOS does not.
_SOCKET_BUFFER = 4 * MAX_LINE
# When to check first for a dead process; then after twice as long each time (seconds).
_REAP_FIRST, _REAP_LAST = 0.002, 0.5
# How long a worker that was told to leave has until it is killed (seconds).
_LEAVE = 1.0


class JournalFile(Protocol):
    """The part of a rotation journal that its worker's life needs."""

    def fileno(self) -> int:
        """Return the descriptor that the worker inherits."""
        ...

    def remove(self) -> None:
        """Delete it: all of its content is in the store, or it had none."""
        ...

    def close(self) -> None:
        """Leave it to the worker."""
        ...


class Worker:
    """A process and the socketpair to it; *on_end* is called when it has ended.

    *on_used_up* hears which one-time proofs are used up, and their ends.
    """

    def __init__(
        self,
        provider: str,
        on_end: Callable[[Worker], None],
        journal: JournalFile | None = None,
        on_used_up: Callable[[Mapping[str, float]], None] | None = None,
    ) -> None:
        self.provider = provider
        self.journal = journal
        self.mints = 0
        # Whether it ends as soon as it has nothing to do.
        self.leaving = False
        self.reaped = asyncio.Event()
        self.idle_timer: asyncio.TimerHandle | None = None
        self._on_end = on_end
        self._on_used_up = on_used_up
        self._ended = False
        self._receiver = AnswerReceiver(self._broke)
        self._transport: asyncio.BaseTransport | None = None
        self._link: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 before the start."""
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        """Whether it can take another mint."""
        return not self._ended

    async def start(self, executable: str, environ: Mapping[str, str]) -> None:
        """Start the process and wait for its hello, or raise `BrokerError`."""
        hello = self._receiver.expect()
        try:
            await self._spawn(executable, environ)
            greeting = await hello
        except OSError as error:
            raise BrokerError(
                Kind.INTERNAL,
                f"no worker can be started ({error.strerror}): run credward doctor",
            ) from error
        except LinkBrokenError as error:
            raise self._failure(f"{error} before its hello", "no") from error
        if not isinstance(greeting, Hello):
            raise self._failure("did not say hello", "no")
        if greeting.version != credward.__version__:
            raise BrokerError(
                Kind.INTERNAL,
                f"worker is version {greeting.version}, daemon is {credward.__version__}: "
                "restart with credward serve",
            )

    async def mint(self, request: MintRequest) -> MintedToken:
        """Send one request and wait for its token; `BrokerError` if the mint failed."""
        message = await self._ask(request, "mint")
        if not isinstance(message, MintedToken):
            raise self._wrong("mint")
        return message

    async def login(
        self, request: LoginRequest, on_event: Callable[[LoginStep], None]
    ) -> GrantGiven:
        """Run one login of a user; *on_event* hears what to show."""
        self._receiver.on_event = on_event
        message = await self._ask(request, "login")
        if not isinstance(message, GrantGiven):
            raise self._wrong("login")
        return message

    def tell(self, answer: LoginAnswer) -> None:
        """Pass on what the user typed; a login that has ended ignores it."""
        if self.alive:
            self._send(answer)

    async def revoke(self, request: RevokeRequest) -> None:
        """Revoke the grant of *request* upstream."""
        if not isinstance(await self._ask(request, "revocation"), Done):
            raise self._wrong("revocation")

    async def check(self, request: CheckRequest) -> None:
        """Ask a server whether people can log in there."""
        if not isinstance(await self._ask(request, "check"), Done):
            raise self._wrong("check")

    async def probe(self, request: ProbeRequest) -> Reply:
        """Ask one question of the service that takes a token."""
        message = await self._ask(request, "probe")
        if not isinstance(message, Probed):
            raise self._wrong("probe")
        return message.reply

    async def _ask(
        self,
        request: Request,
        what: str,
    ) -> MintedToken | GrantGiven | Done | Probed:
        answer = self._receiver.expect()
        self._send(request)
        self.mints += 1
        try:
            message = await answer
        except LinkBrokenError as error:
            raise self._failure(f"{error} during a {what}", "maybe") from error
        if isinstance(message, MintedToken | Failed) and message.used_up and self._on_used_up:
            self._on_used_up(message.used_up)
        match message:
            case Failed():
                raise message.failure().error()
            case Hello():
                raise self._wrong(what)
            case _:
                return message

    def _wrong(self, what: str) -> BrokerError:
        self.kill()
        return self._failure(f"gave the wrong answer to a {what}", "maybe")

    def retire(self) -> None:
        """Let an idle worker leave by itself: it ends with its link."""
        self._end()
        asyncio.get_running_loop().call_later(_LEAVE, self.kill)

    def abandon(self) -> None:
        """Close the link and leave the process alone: an exchange in it ends in its journal."""
        self._end()

    def kill(self) -> None:
        """Kill the process and its children."""
        self._end()
        if self._process is not None and self._process.returncode is None:
            kill_tree(self._process.pid, programs=rules_of(self.provider).programs)

    # --- start

    async def _spawn(self, executable: str, environ: Mapping[str, str]) -> None:
        self._link, theirs = socket.socketpair()
        journal = -1 if self.journal is None else self.journal.fileno()
        with theirs:
            self._link.setblocking(False)
            self._link.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BUFFER)
            # Returns at exec, a millisecond later; asyncio's own way blocks no less and adds pipes.
            self._process = subprocess.Popen(  # noqa: ASYNC220
                [executable, "-I", *_arguments(self.provider, theirs.fileno(), journal)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),) if journal < 0 else (theirs.fileno(), journal),
                start_new_session=True,
                env=build_environment(self.provider, environ),
                cwd="/",
            )
        # The loop gets its own descriptor: we still send ourselves, see `_send`.
        self._transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: self._receiver, sock=self._link.dup()
        )

    # --- work

    def _send(
        self,
        request: Request,
    ) -> None:
        """Write the request at once and wipe it; a transport might keep it for later."""
        try:
            line = encode_request(request)
        except ValueError as error:
            name = "" if isinstance(request, LoginAnswer) else request.credential
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{name}" has settings longer than {MAX_LINE // 1024} KiB: '
                "shorten them in the configuration",
            ) from error
        try:
            if self._link is None or os.write(self._link.fileno(), line) != len(line):
                self.kill()
                raise self._failure("did not take its request", "no")
        except OSError as error:
            self.kill()
            raise self._failure("ended before it was asked", "no") from error
        finally:
            wipe(line)

    def _failure(self, what: str, sent: Sent) -> BrokerError:
        return BrokerError(
            Kind.INTERNAL,
            f"worker {self.pid} for provider {self.provider} {what}: run credward doctor",
            sent=sent,
        )

    # --- end

    def _broke(self) -> None:
        """Clean up after a worker that ended by itself or misbehaved."""
        if self._ended:
            # We closed the link, so it broke.
            return
        self.kill()
        if rules_of(self.provider).programs:
            kill_session(self.pid)

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        if self.idle_timer is not None:
            self.idle_timer.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._link is not None:
            self._link.close()
        self._on_end(self)
        self._reap(_REAP_FIRST)

    def _reap(self, delay: float) -> None:
        # Do not wait: a process in an uninterruptible sleep would stop the whole daemon.
        if self._process is None or self._process.poll() is not None:
            self.reaped.set()
        else:
            loop = asyncio.get_running_loop()
            loop.call_later(delay, self._reap, min(delay * 2, _REAP_LAST))


def _arguments(provider: str, descriptor: int, journal: int) -> list[str]:
    """Return how to run `__main__`: as a module if `-I` can still find it, else by path."""
    parent = Path(credward.__file__).parent.parent
    words = [provider, str(descriptor), str(journal)]
    # Not `sysconfig.get_path`: it would take half a megabyte of memory for good.
    if str(parent) in site.getsitepackages():
        return ["-m", "credward.workers", *words]
    return [str(parent / "credward" / "workers" / "__main__.py"), *words, str(parent)]
