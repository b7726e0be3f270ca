"""The outside world as providers see it: the time, requests, programs that are never left over.

Classifies what goes wrong with a program; what its output means is the provider's business. How
requests travel is `transport`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from credward.clock import Clock
from credward.errors import BrokerError, Kind, Sent
from credward.providers.programs import OutputTooLongError, run_program
from credward.providers.provider import CommandResult, Grant, HttpRequest, HttpResponse

__all__ = ["MAX_OUTPUT", "Machine", "Sender", "WorkerIo"]

# Tokens are much shorter; a longer output is something else (bytes).
MAX_OUTPUT = 64 * 1024


class Sender(Protocol):
    """The part of the transport that is used here."""

    def send(self, http_request: HttpRequest, *, credential: str) -> HttpResponse:
        """Send one request for this credential, or raise `BrokerError`."""
        ...


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where a mint runs: *now* is the daemon's wall clock at its start, in Unix seconds.

    *transport* makes the way out, at its first use; None: nothing is dialled.
    """

    clock: Clock
    now: float
    environ: Mapping[str, str]
    transport: Callable[[], Sender] | None = None


class WorkerIo:
    """One mint's view of the world, fulfilling `Io`."""

    def __init__(
        self,
        machine: Machine,
        *,
        credential: str,
        before_send: Callable[[HttpRequest], None] | None = None,
        keep_grant: Callable[[Grant], None] | None = None,
        used_up: dict[str, float] | None = None,
    ) -> None:
        self._clock = machine.clock
        self._started_at = machine.now
        self._started = machine.clock.elapsed()
        self._credential = credential
        self._environ = machine.environ
        self._transport = machine.transport
        self._before_send = before_send
        self._keep_grant = keep_grant
        self._used_up = {} if used_up is None else used_up
        self.warning: str | None = None
        # Whether anything was asked or run that may have left this machine.
        self.reached = False

    def now(self) -> float:
        """Return the wall clock in Unix seconds, as the daemon sees it."""
        return self._started_at + (self._clock.elapsed() - self._started)

    def environment(self) -> Mapping[str, str]:
        """Return the worker's environment."""
        return self._environ

    def send(self, http_request: HttpRequest) -> HttpResponse:
        """Send one request."""
        if self._before_send is not None:
            self._before_send(http_request)
        assert self._transport is not None, "a provider that dials was given no transport"
        self.reached = True
        return self._transport().send(http_request, credential=self._credential)

    def save_grant(self, grant: Grant) -> None:
        """Make a rotated grant durable."""
        assert self._keep_grant is not None, "a grant was rotated by a mint that holds none"
        self._keep_grant(grant)

    def use_up(self, proof: str, until: float) -> None:
        """Have a one-time proof remembered as used up."""
        self._used_up[proof] = until

    def warn(self, message: str) -> None:
        """Tell the people who look at this credential's state."""
        self.warning = message

    def run_command(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] = {},
        timeout: float,
        standard_input: bytes = b"",
    ) -> CommandResult:
        """Run a program to its end, or kill it with everything that it started."""
        environ = {**self._environ, **env}
        program = self._find(command[0], environ)
        deadline = self._clock.elapsed() + timeout
        reached, self.reached = self.reached, True
        try:
            return run_program(
                [program, *command[1:]],
                environ=environ,
                standard_input=standard_input,
                limit=MAX_OUTPUT,
                remaining=lambda: deadline - self._clock.elapsed(),
            )
        except TimeoutError as error:
            raise self._failure(
                Kind.TIMED_OUT,
                command[0],
                f"took longer than {timeout:g} s and was killed: run it by hand to see why",
            ) from error
        except OutputTooLongError as error:
            raise self._failure(
                Kind.PROVIDER_REFUSED,
                command[0],
                f"printed more than {MAX_OUTPUT // 1024} KiB and no token is that long: "
                "run it by hand to see what it prints",
            ) from error
        except (OSError, ValueError) as error:
            self.reached = reached
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise self._failure(
                Kind.FIX_CONFIGURATION,
                command[0],
                f"cannot be started ({reason}): correct command in the configuration",
                sent="no",
            ) from error

    def _find(self, name: str, environ: Mapping[str, str]) -> str:
        path = environ.get("PATH", "")
        if name.startswith("~/"):
            name = f"{environ.get('HOME', '')}{name[1:]}"
        if (program := shutil.which(name, path=path)) is not None:
            return program
        if "/" not in name:
            problem = f"is not in {path}: write its full path in the configuration"
        elif Path(name).exists():
            problem = f"is not an executable file: run chmod +x {name}"
        else:
            problem = "does not exist: correct command in the configuration"
        raise self._failure(Kind.FIX_CONFIGURATION, name, problem, sent="no")

    def _failure(
        self, kind: Kind, program: str, problem: str, *, sent: Sent = "maybe"
    ) -> BrokerError:
        return BrokerError(
            kind, f'"{self._credential}" got no token, program "{program}" {problem}', sent=sent
        )
