"""Runs the program that prints the subject token of an executable-sourced workload identity.

What it prints is read here, for google-auth would let a hung program's children live. The contract
with the program is Google's (google.aip.dev/auth/4117, "Determining the subject token in
executable-sourced credentials").
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from google.auth.external_account import SupplierContext
from google.auth.identity_pool import SubjectTokenSupplier

from credward.errors import BrokerError, Kind
from credward.providers.exit_codes import refuse_failure
from credward.providers.provider import Io

__all__ = ["ExecutableSupplier", "read_subject_token"]

_ID_TOKENS = frozenset({
    "urn:ietf:params:oauth:token-type:jwt",
    "urn:ietf:params:oauth:token-type:id_token",
})  # fmt: skip
_SAML = "urn:ietf:params:oauth:token-type:saml2"
# Milliseconds: the default, and the bounds that Google sets.
_TIMEOUT, _SHORTEST, _LONGEST = 30_000, 5_000, 120_000


class ExecutableSupplier(SubjectTokenSupplier):
    """Runs the program of *info*, an external account configuration, each time it is asked."""

    def __init__(self, credential: str, info: Mapping[str, Any], io: Io) -> None:
        executable = info["credential_source"]["executable"]
        self._credential = credential
        self._io = io
        self._email: str | None = info.get("service_account_email")
        self._output_file = executable.get("output_file")
        timeout = executable.get("timeout_millis", _TIMEOUT)
        command = executable.get("command")
        if not isinstance(command, str) or not command.strip():
            raise self._misconfigured("names no command in credential_source.executable: add it")
        if not isinstance(timeout, int) or not _SHORTEST <= timeout <= _LONGEST:
            raise self._misconfigured("has a timeout_millis beyond 5000 to 120000: correct it")
        self._timeout = timeout / 1000
        try:
            self._command = tuple(shlex.split(command))
        except ValueError as error:
            raise self._misconfigured(
                "has an executable command with an open quote: correct it"
            ) from error

    def get_subject_token(self, context: SupplierContext, request: object) -> str:  # noqa: ARG002
        """Return what the program prints as its subject token."""
        env = {
            "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
            "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": context.audience,
            "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE": context.subject_token_type,
            "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE": "0",
            "GOOGLE_EXTERNAL_ACCOUNT_REVOKE": "0",
        }
        if self._email:
            env["GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL"] = self._email
        if isinstance(self._output_file, str):
            env["GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE"] = self._output_file
        result = self._io.run_command(self._command, env=env, timeout=self._timeout)
        refuse_failure(self._credential, self._command[0], result)
        token = read_subject_token(result.output, self._io.now())
        if token is None:
            raise BrokerError(
                Kind.PROVIDER_REFUSED,
                f'"{self._credential}" got no token, program "{self._command[0]}" printed no '
                f"usable subject token: run {self._command[0]} by hand",
            )
        return token

    def _misconfigured(self, problem: str) -> BrokerError:
        return BrokerError(Kind.FIX_CONFIGURATION, f'"{self._credential}" {problem}')


def read_subject_token(output: bytes, now: float) -> str | None:
    """Return the token in a program's output; None if it failed or the token has expired."""
    try:
        answer = json.loads(output)
    except (ValueError, RecursionError):
        return None
    if (
        not isinstance(answer, dict)
        or answer.get("version") != 1
        or answer.get("success") is not True
    ):
        return None
    ends_at = answer.get("expiration_time")
    if isinstance(ends_at, int | float) and ends_at <= now:
        return None
    kind = answer.get("token_type")
    token = answer.get("saml_response" if kind == _SAML else "id_token")
    known = kind == _SAML or kind in _ID_TOKENS
    return token if known and isinstance(token, str) and token else None
