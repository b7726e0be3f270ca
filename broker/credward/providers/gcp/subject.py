"""The subject token of an external account, where our settings say.

`executable` has the one of a program that Google's JSON names.
"""

from __future__ import annotations

from google.auth.external_account import SupplierContext
from google.auth.identity_pool import SubjectTokenSupplier

from credward.providers.provider import Io, ProviderRequest
from credward.providers.references import read_secret

__all__ = ["SecretSupplier"]


class SecretSupplier(SubjectTokenSupplier):
    """Reads the setting `subject_token` of *token_request* when it is asked."""

    def __init__(self, token_request: ProviderRequest, io: Io, *, timeout: float) -> None:
        self._token_request = token_request
        self._io = io
        self._timeout = timeout

    def get_subject_token(self, context: SupplierContext, request: object) -> str:
        """Return the token; the *context* is in the settings already."""
        del context, request
        secret = read_secret(self._token_request, "subject_token", self._io, timeout=self._timeout)
        return secret.reveal().strip()
