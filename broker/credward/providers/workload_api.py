"""Asks a SPIFFE Workload API for a JWT-SVID: the identity of this process, as its agent attests it.

Source: SPIFFE Workload API, sections 4 (who is asked) and 6.2 (`FetchJWTSVID`, its error codes).
The client is the package `spiffe`, an extra, which takes 0.2 s and 30 MB: imported when it is
needed. Who takes the JWT is up to the providers.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from credward.errors import BrokerError, Kind

if TYPE_CHECKING:
    from spiffe import WorkloadApiClient

__all__ = ["fetch_jwt_svid"]


def fetch_jwt_svid(name: str, address: str, audience: str, *, timeout: float) -> str:
    """Return a JWT-SVID for *audience* from the Workload API at *address* (`unix:///…`).

    The first one if there are several. Raise `provider-unreachable` or `timed-out` if there is no
    agent or no answer within *timeout* seconds, `provider-refused` if it has no identity for us,
    `fix-configuration` if it may not be asked, or the package is missing.
    """
    path = address.removeprefix("unix://")
    client = _connect(name, path)
    try:
        problem, svid = _fetch(client, audience, timeout)
    finally:
        client.close()
    if svid is not None:
        return svid
    where = f"the SPIFFE Workload API at {path}"
    match problem:
        case "PERMISSION_DENIED":
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{name}" got no identity, {where} has none for this process (user '
                f"{os.geteuid()}): register one, with SPIRE run spire-server entry create with "
                f"-selector unix:uid:{os.geteuid()}",
            )
        case "UNAVAILABLE":
            raise BrokerError(
                Kind.PROVIDER_UNREACHABLE,
                f'"{name}" got no identity, {where} does not answer: check that its agent runs',
            )
        case "DEADLINE_EXCEEDED":
            raise BrokerError(
                Kind.TIMED_OUT,
                f'"{name}" got no identity, {where} did not answer within {timeout:.0f} s: '
                "check that its agent reaches its server",
            )
        case "INVALID_ARGUMENT":
            raise BrokerError(
                Kind.FIX_CONFIGURATION,
                f'"{name}" got no identity, {where} refused the request: correct audience',
            )
        case _:
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{name}" got no identity, {where} gave no usable JWT-SVID ({problem}): '
                "look into the log of its agent",
            )


def _connect(name: str, path: str) -> WorkloadApiClient:
    try:
        from spiffe import WorkloadApiClient  # noqa: PLC0415 - see above
    except ImportError as error:
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{name}" got no identity, the Python package spiffe is not installed beside '
            "credward: run pipx inject credward spiffe, or install credward[spiffe]",
        ) from error
    try:
        found = os.stat(path)  # noqa: PTH116 - quicker than pathlib
    except OSError as error:
        raise BrokerError(
            Kind.PROVIDER_UNREACHABLE,
            f'"{name}" got no identity, no SPIFFE Workload API is at {path} ({error.strerror}): '
            "start its agent, or correct spiffe",
        ) from error
    if not stat.S_ISSOCK(found.st_mode) or not os.access(path, os.R_OK | os.W_OK):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{name}" got no identity, {path} is not a socket that this user may open: '
            "correct spiffe, or the permissions of the socket",
        )
    return WorkloadApiClient(f"unix:{path}")


def _fetch(client: WorkloadApiClient, audience: str, timeout: float) -> tuple[str, str | None]:
    """Return the JWT-SVID, or the gRPC code of the failure, else the name of the exception.

    Their exceptions are not passed on, because they may quote what was answered.
    """
    import grpc  # noqa: PLC0415 - loaded by the client
    from spiffe.errors import PySpiffeError  # noqa: PLC0415 - the same

    try:
        return "", client.fetch_jwt_svid(audience={audience}, timeout=timeout).token
    except PySpiffeError as error:
        cause = error.__cause__
        if isinstance(cause, grpc.Call):
            return cause.code().name, None
        return type(cause or error).__name__, None
