"""Finds the JSON of a Google credential: a file, a referenced key, or ADC.

Reads and parses; `credentials` uses the JSON.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from credward.errors import BrokerError, Kind
from credward.providers.gcp.failures import GCLOUD_LOGIN
from credward.providers.provider import Io, ProviderRequest
from credward.providers.references import read_file, read_secret
from credward.settings.gcp import Settings

__all__ = ["login_command", "read_info"]

# Where gcloud keeps its login for applications (cloud.google.com/docs/authentication/
# application-default-credentials), below its configuration directory.
_ADC = "application_default_credentials.json"
# The fields that make a file a secret; a configuration of workload identity has none of them.
_SECRET_FIELDS = frozenset({"private_key", "refresh_token", "client_secret"})


def read_info(token_request: ProviderRequest, io: Io) -> Mapping[str, Any]:
    """Return the JSON object that the settings name, or raise `fix-configuration`."""
    settings = token_request.settings
    assert isinstance(settings, Settings)
    name = token_request.credential
    match settings.origin:
        case "external_account":
            assert settings.external_account is not None
            return settings.external_account
        case "key":
            secret = read_secret(token_request, "service_account_key", io, timeout=settings.timeout)
            return _parse(name, secret.reveal(), "service_account_key")
        case "file":
            assert settings.credentials_file is not None
            path = settings.credentials_file
            info = _parse(name, read_file(name, path, io, private=False), path)
            if _is_secret(info):
                read_file(name, path, io)
            return info
        case _:
            path = _find_adc(name, io)
            info = _parse(name, read_file(name, path, io, private=False), path)
            if _is_secret(info) and _is_open(path):
                # Another program's file: its owner would not look there for the reason.
                io.warn(f"can be read by others in {path}: run chmod 0600 {path}")
            return info


def login_command(settings: Settings, credential: str) -> str:
    """Return what a user types when the login behind this credential has ended."""
    return f"credward login {credential}" if settings.origin == "login" else GCLOUD_LOGIN


def _find_adc(name: str, io: Io) -> str:
    """Return the path of the Application Default Credentials; without the metadata server."""
    environ = io.environment()
    if named := environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        if not named.startswith("/"):
            raise _misconfigured(
                name,
                "cannot read the relative path in GOOGLE_APPLICATION_CREDENTIALS: make it "
                "absolute where the daemon is started",
            )
        return named
    folder = environ.get("CLOUDSDK_CONFIG") or f"{environ.get('HOME', '')}/.config/gcloud"
    path = Path(folder) / _ADC
    if not path.exists():
        raise _misconfigured(
            name,
            f"found no Application Default Credentials in {path}: run {GCLOUD_LOGIN}, or on "
            'Google Cloud set source = "metadata"',
        )
    return str(path)


def _parse(name: str, text: str, where: str) -> Mapping[str, Any]:
    info: object = None
    # Not chained: the error holds the text.
    with contextlib.suppress(ValueError, RecursionError):
        info = json.loads(text)
    if not isinstance(info, dict):
        raise _misconfigured(
            name, f"finds no JSON object in {where}: name the file that Google or gcloud wrote"
        )
    return info


def _is_secret(info: Mapping[str, Any]) -> bool:
    source = info.get("source_credentials")
    return not _SECRET_FIELDS.isdisjoint(info) or (isinstance(source, dict) and _is_secret(source))


def _is_open(path: str) -> bool:
    return bool(Path(path).stat().st_mode & 0o077)


def _misconfigured(name: str, problem: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}')
