"""Hands out a secret that lies somewhere already; read anew at each mint, so a change is adopted.

No end is known of such a secret: `rotate_after` only reminds. A variable of the daemon's own
environment arrives as the grant, because a worker does not see that environment.
"""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

from credward.errors import BrokerError, Kind, Recovery
from credward.providers.exit_codes import refuse_failure
from credward.providers.provider import Io, ProviderRequest
from credward.settings.references import Reference
from credward.settings.static import Settings
from credward.tokens import Secret, Token

__all__ = ["StaticProvider"]

# Beyond this it is a wrong file rather than a long secret (bytes).
_MAX_FILE = 32 * 1024


class StaticProvider:
    """Reads the secret that the settings refer to."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Read the secret and remind of its rotation when that is due."""
        settings = token_request.settings
        assert isinstance(settings, Settings)
        name = token_request.credential
        text = _resolve(settings, token_request, io).strip("\r\n")
        _check(name, settings, text)
        now = io.now()
        day = settings.rotate_after
        if day is not None and datetime.fromtimestamp(now, UTC).date() >= day:
            io.warn(f'"{name}" was to be rotated on {day}: replace the secret and rotate_after')
        return Token(
            secret=Secret(text),
            kind=settings.kind,
            issued_at=now,
            expires_at=None,
            audience=token_request.audience,
        )


def _resolve(settings: Settings, token_request: ProviderRequest, io: Io) -> str:
    match settings.reference:
        case Reference(env=str(name)):
            if token_request.grant is None:
                raise _misconfigured(
                    token_request.credential,
                    f"was not handed variable {name}: start credward serve again",
                )
            return token_request.grant.reveal()
        case Reference(file=str(path)):
            return _read_file(token_request.credential, path, io)
        case Reference(command=tuple(command)):
            result = io.run_command(command, timeout=settings.timeout)
            refuse_failure(token_request.credential, command[0], result)
            return result.output.decode("utf-8", "replace")
        case _:
            raise _misconfigured(token_request.credential, "has no source: set secret")


def _read_file(name: str, path: str, io: Io) -> str:
    if path.startswith("~/"):
        path = f"{io.environment().get('HOME', '')}{path[1:]}"
    try:
        # Not blocking: a pipe in the file's place would hold this worker until its deadline.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            content = os.read(descriptor, _MAX_FILE + 1) if stat.S_ISREG(status.st_mode) else b""
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _misconfigured(
            name, f"cannot be read from {path} ({error.strerror}): correct file or its mode"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise _misconfigured(name, f"cannot be read from {path}, which is no file: correct file")
    if status.st_mode & 0o077 and not _is_mounted_secret(path):
        raise _misconfigured(name, f"lies open to others in {path}: run chmod 0600 {path}")
    if len(content) > _MAX_FILE:
        raise _misconfigured(
            name, f"is longer than {_MAX_FILE // 1024} KiB in {path}: name the file of the secret"
        )
    return content.decode("utf-8", "replace")


def _is_mounted_secret(path: str) -> bool:
    """Tell whether an orchestrator put the file there, with a mode that its user cannot change."""
    # The real path, for a mount is full of links; /var/run is one to /run.
    return Path(path).resolve().is_relative_to("/run/secrets")


def _check(name: str, settings: Settings, text: str) -> None:
    where = settings.reference.describe()
    if not text:
        raise _misconfigured(name, f"is empty in {where}: store the secret there")
    if not text.isascii() or not text.isprintable():
        raise _misconfigured(
            name, f"in {where} is not one line of printable ASCII: store the bare secret there"
        )
    if settings.kind == "basic" and ":" not in text:
        raise _misconfigured(name, f"in {where} is not user:password: store both there")


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION, f'"{name}" {problem}', recovery=Recovery.FIX_CONFIGURATION
    )
