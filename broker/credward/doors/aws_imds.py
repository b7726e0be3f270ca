"""The instance metadata service of EC2, version 2: `AWS_EC2_METADATA_SERVICE_ENDPOINT`.

A token first (PUT), then the role and its keys, region and identity document as far as SDKs ask for
them (EC2 User Guide, "Use the Instance Metadata Service to access instance metadata"). Requests
without a token, as in version 1, are refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping

import msgspec

from credward.clock import Clock
from credward.config import CredentialConfig
from credward.doors.aws import Roles
from credward.doors.endpoint import Asking, no_such_path, only_verb, path_of
from credward.errors import BrokerError, Kind
from credward.formats.aws_keys import imds_answer
from credward.http.messages import HttpRequest, HttpResponse, RefusedRequest, status_of
from credward.settings import aws

__all__ = ["AwsImds"]

_ADDRESSES = ("169.254.169.254", "[fd00:ec2::254]")
_TOKEN = "/latest/api/token"  # noqa: S105 - a path
_META = "/latest/meta-data"
_ROLES = f"{_META}/iam/security-credentials"
_TTL = "x-aws-ec2-metadata-token-ttl-seconds"
_SAID = "x-aws-ec2-metadata-token"
_LONGEST_TTL = 21_600
# SDKs wait for 1 s and try once by default (seconds).
_PATIENCE = 0.9


class AwsImds:
    """Answers as the metadata service; each credential is a role of the machine."""

    addresses: Collection[str] = _ADDRESSES
    names: Collection[str] = ()

    def __init__(self, asking: Asking, clock: Clock) -> None:
        self._roles = Roles(asking, clock, door="aws-imds", shape=imds_answer, patience=_PATIENCE)
        self._clock = clock
        self._tokens = SessionTokens()

    async def answer(self, http_request: HttpRequest) -> HttpResponse:
        """Answer one path of the metadata service."""
        path = path_of(http_request)
        if path == _TOKEN:
            only_verb(http_request, "PUT")
            return self._session(http_request)
        only_verb(http_request, "GET")
        if not self._tokens.holds(http_request.headers.get(_SAID), self._clock.now()):
            raise RefusedRequest(401, f"PUT {_TOKEN} first: a token is needed", Kind.DENIED)
        known = self._roles.known
        if path == _ROLES:
            return _text("\n".join(each.name for each in known))
        if path.startswith(f"{_ROLES}/"):
            return await self._roles.keys(http_request, path.removeprefix(f"{_ROLES}/"))
        return self._fact(path, _region(known))

    def render_error(self, error: BrokerError, _headers: Mapping[str, str]) -> HttpResponse:
        """Return a failure with the members that the service has for a role without keys."""
        status = status_of(error)
        body = {"Code": error.kind.slug, "Message": error.message}
        return HttpResponse(status=status, body=msgspec.json.encode(body))

    def _session(self, http_request: HttpRequest) -> HttpResponse:
        said = http_request.headers.get(_TTL, "")
        seconds = int(said) if said.isdigit() and len(said) < 6 else 0
        if not 1 <= seconds <= _LONGEST_TTL:
            raise RefusedRequest(400, f"{_TTL} is a number of seconds from 1 to {_LONGEST_TTL}")
        answer = _text(self._tokens.make(self._clock.now() + seconds))
        return msgspec.structs.replace(answer, headers=[(_TTL, str(seconds))])

    def _fact(self, path: str, region: str | None) -> HttpResponse:
        if region is not None:
            match path:
                case "/latest/meta-data/placement/region":
                    return _text(region)
                case "/latest/meta-data/placement/availability-zone":
                    return _text(f"{region}a")
                case "/latest/dynamic/instance-identity/document":
                    document = {"region": region, "availabilityZone": f"{region}a"}
                    return HttpResponse(status=200, body=msgspec.json.encode(document))
        raise no_such_path()


class SessionTokens:
    """The tokens of version 2: nothing is kept, each proves itself by a key of this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def make(self, until: float) -> str:
        """Return a token that is good until an instant (Unix seconds)."""
        said = b"%d.%s" % (int(until), secrets.token_bytes(8).hex().encode())
        return base64.urlsafe_b64encode(said + b"." + self._proof(said)).decode()

    def holds(self, token: str | None, now: float) -> bool:
        """Return whether we made *token*, and it has not ended."""
        try:
            said, _, proof = base64.urlsafe_b64decode(token or "").rpartition(b".")
        except ValueError:
            return False
        # Only after the proof is its time ours.
        return hmac.compare_digest(self._proof(said), proof) and int(said.split(b".")[0]) >= now

    def _proof(self, said: bytes) -> bytes:
        return hmac.new(self._key, said, hashlib.sha256).hexdigest().encode()


def _region(known: list[CredentialConfig]) -> str | None:
    settings = known[0].settings if known else None
    return settings.region if isinstance(settings, aws.Settings) else None


def _text(text: str) -> HttpResponse:
    return HttpResponse(status=200, body=text.encode("ascii", "replace"), content_type="text/plain")
