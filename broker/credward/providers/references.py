"""Reads the secrets that settings refer to, as far as a worker can: files, programs, identities.

Variables of the daemon, the store, the keychain and other credentials are read by the daemon, which
hands them over in `ProviderRequest.secrets`.
"""

from __future__ import annotations

import os
from pathlib import Path

from credward.errors import BrokerError, Kind
from credward.named_files import opened
from credward.providers.exit_codes import refuse_failure
from credward.providers.provider import Io, ProviderRequest
from credward.providers.workload_api import fetch_jwt_svid
from credward.settings.references import Reference
from credward.tokens import Secret

__all__ = ["read_file", "read_secret"]

# Beyond this it is a wrong file rather than a long secret (bytes).
_MAX_FILE = 32 * 1024
_PROGRAM_TIMEOUT = 30.0


def read_secret(
    token_request: ProviderRequest,
    field: str,
    io: Io,
    *,
    timeout: float = _PROGRAM_TIMEOUT,
) -> Secret:
    """Return the secret that the setting called *field* refers to, read now.

    Line ends around it are removed. Raise `fix-configuration` if there is none.
    """
    name = token_request.credential
    if (handed := token_request.secrets.get(field)) is not None:
        return Secret(handed.reveal().strip("\r\n"))
    reference = getattr(token_request.settings, field, None)
    match reference:
        case Reference(file=str(path)):
            text = read_file(name, path, io)
        case Reference(command=tuple(command)):
            result = io.run_command(command, timeout=timeout)
            refuse_failure(name, command[0], result)
            text = result.output.decode("utf-8", "replace")
        case Reference(spiffe=str(address), audience=str(audience)):
            text = fetch_jwt_svid(name, address, audience, timeout=timeout)
        case Reference():
            raise _misconfigured(
                name, f"was not handed {reference.describe()}: start credward serve again"
            )
        case _:
            raise _misconfigured(name, f"has no source: set {field}")
    return Secret(text.strip("\r\n"))


def read_file(
    name: str,
    path: str,
    io: Io,
    *,
    private: bool = True,
    remedy: str = "correct file or its mode",
) -> str:
    """Return the text of a file; if *private*, nobody else may be able to read it.

    *remedy*: what helps if it cannot be read at all.
    """
    if path.startswith("~/"):
        path = f"{io.environment().get('HOME', '')}{path[1:]}"
    try:
        with opened(path) as descriptor:
            status = os.fstat(descriptor)
            content = os.read(descriptor, _MAX_FILE + 1)
    except OSError as error:
        raise _misconfigured(
            name, f"cannot be read from {path} ({error.strerror}): {remedy}"
        ) from error
    if private and status.st_mode & 0o077 and not _is_mounted_secret(path):
        raise _misconfigured(name, f"can be read by others in {path}: run chmod 0600 {path}")
    if len(content) > _MAX_FILE:
        raise _misconfigured(
            name, f"is longer than {_MAX_FILE // 1024} KiB in {path}: name the file of the secret"
        )
    return content.decode("utf-8", "replace")


def _is_mounted_secret(path: str) -> bool:
    """Tell whether an orchestrator put the file there, with a mode that its user cannot change."""
    # The real path, because a mount is full of links; /var/run is one to /run.
    return Path(path).resolve().is_relative_to("/run/secrets")


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}')
