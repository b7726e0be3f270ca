"""A session of boto3 whose keys come from the daemon, and are renewed from there.

Source: botocore 1.44.5, `credentials`: it begins to renew 15 minutes before the end, and in that
window it asks at every use.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import boto3
import botocore.session
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    DeferredRefreshableCredentials,
)
from botocore.exceptions import CredentialRetrievalError

from credward.clock import SystemClock
from credward.errors import BrokerError
from credward.formats.aws_keys import MIN_REMAINING, keys_of
from credward.sdk.asking import Wanted, ask

__all__ = ["make_session"]

_METHOD = "credward"


class _Provider(CredentialProvider):
    METHOD = _METHOD

    def __init__(self, wanted: Wanted) -> None:
        super().__init__()
        self._wanted = wanted

    def load(self) -> Any:
        """Return credentials that ask when they are first used."""
        return DeferredRefreshableCredentials(partial(_keys, self._wanted), _METHOD)


def make_session(wanted: Wanted, region: str | None) -> boto3.Session:
    """Return a session that has these credentials and no others.

    To use them raises `CredentialRetrievalError` with our line; its cause is the `BrokerError`.
    """
    core = botocore.session.get_session()
    core.register_component("credential_provider", CredentialResolver([_Provider(wanted)]))
    return boto3.Session(botocore_session=core, region_name=region)


def _keys(wanted: Wanted) -> dict[str, str]:
    try:
        given = ask(wanted, min_remaining=MIN_REMAINING)
        keys = keys_of(given.token, given.credential, SystemClock().now())
    except BrokerError as error:
        raise CredentialRetrievalError(provider=_METHOD, error_msg=error.message) from error
    return {
        "access_key": keys.access_key_id,
        "secret_key": keys.secret_access_key,
        "token": keys.session_token,
        "expiry_time": keys.expiration,
    }
