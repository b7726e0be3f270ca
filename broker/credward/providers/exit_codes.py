"""What the exit code of a program that was to print a secret means, in our closed kinds.

Programs that know nothing of us say only "failed"; our own helper and sysexits(3) say more.
"""

from __future__ import annotations

from credward.errors import BrokerError, Kind
from credward.providers.provider import CommandResult

__all__ = ["refuse_failure"]

_MEANINGS = {
    67: (Kind.LOGIN_REQUIRED, "needs a login"),
    69: (Kind.PROVIDER_UNREACHABLE, "says that its service is unavailable"),
    75: (Kind.PROVIDER_UNREACHABLE, "failed for the time being"),
    78: (Kind.FIX_CONFIGURATION, "is not configured correctly"),
}


def refuse_failure(credential: str, program: str, result: CommandResult) -> None:
    """Raise what the exit code of *result* means, unless it says success."""
    code = result.exit_code
    if code == 0:
        return
    kind, meaning = _MEANINGS.get(code, (Kind.PROVIDER_REFUSED, "failed"))
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    raise BrokerError(
        kind,
        f'"{credential}" got no token, program "{program}" {meaning} ({how}, '
        f"{result.error_size} bytes on stderr): run {program} by hand",
        hint=f"an owner sees its last line: run credward get {credential} in your own terminal",
        said=result.error_line,
        sent="maybe",
    )
