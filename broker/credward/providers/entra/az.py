"""Gets a token from the login of `az`; that login is never copied.

What the token is, is `answers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from credward.errors import BrokerError, Kind, login_required
from credward.providers.entra.answers import read_token
from credward.providers.entra.errors import Asker, explain
from credward.providers.provider import CommandResult, Io
from credward.settings.entra import Settings
from credward.tokens import Token

__all__ = ["mint_by_az"]

# az says what is wrong on stderr alone, and always ends with 1: both streams are read as one, and
# nothing of them is kept or shown.
_SHELL = ("/bin/sh", "-c", 'exec "$0" "$@" 2>&1')
_NOT_FOUND, _NOT_EXECUTABLE = 127, 126
_NO_LOGIN = re.compile(r"az login|No subscription found|not logged in", re.IGNORECASE)
_NO_NETWORK = re.compile(
    r"Max retries exceeded|Failed to establish a new connection|ConnectionError|getaddrinfo"
    r"|Temporary failure in name resolution|Connection aborted|ReadTimeout|ConnectTimeout"
)


def mint_by_az(settings: Settings, credential: str, scopes: tuple[str, ...], io: Io) -> Token:
    """Run `az account get-access-token` once and read its answer.

    learn.microsoft.com, "az account get-access-token": `expires_on` is in Unix seconds, the older
    `expiresOn` a local time without a zone and so not read.
    """
    source = settings.source or "az"
    program = source
    if source.startswith("~/"):
        program = f"{io.environment().get('HOME', '')}{source[1:]}"
    words = ["account", "get-access-token", "--output", "json", "--only-show-errors"]
    words += ["--scope", *scopes]
    login = f"az login --scope {' '.join(scopes)}"
    if settings.tenant is not None:
        words += ["--tenant", settings.tenant]
        login = f"az login --tenant {settings.tenant} --scope {' '.join(scopes)}"
    asker = Asker(
        credential=credential, tenant=settings.tenant or "the tenant", login=f"run {login}"
    )
    now = io.now()
    result = io.run_command([*_SHELL, program, *words], timeout=settings.timeout)
    if result.exit_code != 0:
        raise _explain(result, source, asker)
    audience = scopes[0].removesuffix("/.default") if scopes else None
    # The field names are az's own.
    answer = _read_object(result.output)
    if answer is None:
        raise BrokerError(
            Kind.PROVIDER_REFUSED,
            f'"{credential}" got no token, {source} printed no JSON '
            f"({len(result.output)} bytes): run az account get-access-token by hand",
            sent="maybe",
        )
    return read_token(answer, credential, now=now, audience=audience, field="accessToken")


def _explain(result: CommandResult, source: str, asker: Asker) -> BrokerError:
    text = result.output.decode("utf-8", "replace")
    name, code = asker.credential, result.exit_code
    if code == _NOT_FOUND:
        return BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{name}" got no token, {source} is not found: '
            "install the Azure CLI, or set source to its full path",
        )
    if code == _NOT_EXECUTABLE:
        return BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{name}" got no token, {source} cannot be run: run chmod +x {source}',
        )
    if (failure := explain(text, asker)) is not None:
        return failure
    if _NO_LOGIN.search(text):
        return login_required(name, remedy=asker.login or "", reason="of az").error()
    if _NO_NETWORK.search(text):
        return BrokerError(
            Kind.PROVIDER_UNREACHABLE,
            f'"{name}" got no token, az has no network connection (VPN, proxy?): '
            "retrying by itself",
            sent="maybe",
        )
    how = f"exit code {code}" if code > 0 else f"signal {-code}"
    return BrokerError(
        Kind.PROVIDER_REFUSED,
        f'"{name}" got no token, az failed ({how}): run az account get-access-token by hand',
        hint="credward keeps nothing of what az writes; run it to see it",
        sent="maybe",
    )


def _read_object(output: bytes) -> Mapping[str, Any] | None:
    """Return the JSON object in *output*, around which warnings may stand."""
    start, end = output.find(b"{"), output.rfind(b"}")
    try:
        answer = msgspec.json.decode(output[start : end + 1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None
