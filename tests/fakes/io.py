"""The outside world of a provider: programs answer what a test says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from credward.errors import BrokerError
from credward.providers.provider import CommandResult, Grant, HttpRequest, HttpResponse

NOW = 1_800_000_000.0


@dataclass(slots=True, kw_only=True)
class FakeIo:
    """Stands where `credward.providers.io.WorkerIo` does."""

    output: bytes = b""
    exit_code: int = 0
    error_size: int = 0
    failure: BrokerError | None = None
    environ: dict[str, str] = field(default_factory=dict)
    time: float = NOW
    # How long a program takes.
    takes: float = 0.0
    commands: list[tuple[tuple[str, ...], dict[str, str], float]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    # Answers each request; it may raise `BrokerError` as the transport does.
    server: Callable[[HttpRequest], HttpResponse] | None = None
    requests: list[HttpRequest] = field(default_factory=list)
    grants: list[Grant] = field(default_factory=list)
    used_up: dict[str, float] = field(default_factory=dict)

    def now(self) -> float:
        return self.time

    def environment(self) -> Mapping[str, str]:
        return self.environ

    def send(self, http_request: HttpRequest) -> HttpResponse:
        self.requests.append(http_request)
        assert self.server is not None, "this provider was not expected to dial"
        return self.server(http_request)

    def save_grant(self, grant: Grant) -> None:
        self.grants.append(grant)

    def run_command(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] = {},
        timeout: float,
        standard_input: bytes = b"",
    ) -> CommandResult:
        self.commands.append((tuple(command), dict(env), timeout))
        self.time += self.takes
        if self.failure is not None:
            raise self.failure
        return CommandResult(
            exit_code=self.exit_code, output=self.output, error_size=self.error_size
        )

    def use_up(self, proof: str, until: float) -> None:
        self.used_up[proof] = until

    def warn(self, message: str) -> None:
        # The name of the credential goes before it, as `Driver.warnings` does: not twice.
        assert message[:1].islower(), message
        self.warnings.append(message)
