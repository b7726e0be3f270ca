"""Asks the metadata server of Google Cloud for tokens of the machine's service account.

Spoken by hand, for google-auth would ask with its own connections, wait, and try five times. The
protocol is cloud.google.com/compute/docs/metadata and /docs/authentication/get-id-token.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from google.auth import credentials, exceptions, transport

from credward.errors import BrokerError, Kind

__all__ = ["MetadataCredentials", "read_identity"]

# By number: a resolver could give any address for the name.
_HOST = "169.254.169.254"
_NAME = "metadata.google.internal"
_ACCOUNT = "/computeMetadata/v1/instance/service-accounts/default"
# The second tells our own door who is asking; it must refuse.
_HEADERS = {"Metadata-Flavor": "Google", "Credward-Worker": "1"}


class MetadataCredentials(credentials.Credentials):
    """The machine's service account, as a source like any other; *now* in Unix seconds."""

    def __init__(
        self, credential: str, host: str | None, scopes: Sequence[str], now: float
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._now = now
        self._credential = credential
        self._host = host
        self._scopes = scopes

    def refresh(self, request: transport.Request) -> None:
        """Get an access token; the server gives one and the same until shortly before its end."""
        query = urlencode({"scopes": ",".join(self._scopes)})
        answer = _get(request, self._credential, self._host, f"/token?{query}")
        # As google-auth's own clients do: garbage is theirs to name.
        fields = json.loads(answer)
        life = timedelta(seconds=float(fields["expires_in"]))
        self.token = fields["access_token"]
        self.expiry = datetime.fromtimestamp(self._now, UTC).replace(tzinfo=None) + life


def read_identity(
    request: transport.Request, credential: str, host: str | None, audience: str
) -> str:
    """Return an ID token of the machine's service account for *audience*."""
    query = urlencode({"audience": audience, "format": "full"})
    return _get(request, credential, host, f"/identity?{query}").decode("ascii").strip()


def _get(request: transport.Request, credential: str, host: str | None, path: str) -> bytes:
    host = _HOST if host in {None, _NAME} else host
    response = request(url=f"http://{host}{_ACCOUNT}{path}", method="GET", headers=_HEADERS)
    if response.headers.get("server", "").lower().startswith("credward"):
        raise BrokerError(
            Kind.FIX_CONFIGURATION,
            f'"{credential}" asks a metadata endpoint of credward itself: correct metadata_host',
        )
    if response.headers.get("metadata-flavor") != "Google":
        raise exceptions.TransportError("not a metadata server")
    body: bytes = response.data
    return body
