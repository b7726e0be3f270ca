"""The metadata server of Google Compute Engine: `GCE_METADATA_HOST` and `GCE_METADATA_IP`.

What google-auth asks in Python, Go, Node and Java, and gcloud: probes, project, account, access
tokens by scopes, identity tokens by audience (cloud.google.com/compute/docs, "About VM metadata",
"Predefined metadata keys"). Each answer carries `Metadata-Flavor: Google`, or clients decide that
they are elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from credward.clock import Clock
from credward.config import CredentialConfig
from credward.doors.endpoint import Asking, handed_out, only_verb, path_of
from credward.errors import BrokerError, Kind
from credward.formats.google_token import access_token_answer, identity_token_answer
from credward.http.messages import HttpRequest, HttpResponse, RefusedRequest, status_of
from credward.settings import gcp
from credward.tokens import TokenRequest

__all__ = ["Gce"]

_ADDRESSES = ("169.254.169.254",)
_FLAVOR = ("Metadata-Flavor", "Google")
_ROOT = "/computeMetadata/v1"
_ACCOUNTS = f"{_ROOT}/instance/service-accounts"
_CLOUD_PLATFORM = "https://www.googleapis.com/auth/cloud-platform"
# Behind the name of a credential that has no address: clients want one, and gcloud no other word.
_NO_HOST = "credward.invalid"
_UNIVERSE = "googleapis.com"
# We answer before the client gives up (seconds): google-auth waits for 3 s, at first.
_PATIENCE = 2.8
# A client asks for another token 3:45 to 5 minutes before the end (seconds).
_MIN_REMAINING = 6 * 60.0


class Gce:
    """Answers as the metadata server; each credential is a service account of the machine.

    The usual one is `default`; each is also known by its address, or by its name in place of one.
    """

    addresses: Collection[str] = _ADDRESSES
    names: Collection[str] = ()

    def __init__(self, asking: Asking, clock: Clock) -> None:
        self._asking = asking
        self._clock = clock

    async def answer(self, http_request: HttpRequest) -> HttpResponse:
        """Answer one path of the metadata server."""
        only_verb(http_request, "GET")
        path = path_of(http_request)
        if path in {"", "/computeMetadata"}:
            # The probe: is this machine one of Google's?
            return _text("computeMetadata/\n" if not path else "v1/\n")
        _check_flavor(http_request)
        if path == _ACCOUNTS or path.startswith(f"{_ACCOUNTS}/"):
            return await self._account(http_request, path.removeprefix(_ACCOUNTS).strip("/"))
        if path != _ROOT and not path.startswith(f"{_ROOT}/"):
            raise _unknown("this endpoint has no such path")
        return _text(self._fact(path.removeprefix(_ROOT).strip("/")))

    def render_error(self, error: BrokerError, _headers: Mapping[str, str]) -> HttpResponse:
        """Return our line as text: google-auth shows the body of a failed answer."""
        status = status_of(error)
        return _text(error.message, status=status)

    # --- the machine --------------------------------------------------------------------------

    def _fact(self, key: str) -> str:
        """Return what is known of the machine, as far as clients ask for it."""
        usual = self._usual().settings
        project = usual.project if isinstance(usual, gcp.Settings) else None
        region = usual.region if isinstance(usual, gcp.Settings) else None
        match key:
            case "" | "project" | "instance":
                return _LISTS[key]
            case "project/project-id" if project is not None:
                return project
            # gcloud is on Google's machines where this is a number. Nobody has this one.
            case "project/numeric-project-id":
                return "0"
            case "universe/universe-domain":
                return _UNIVERSE
            case "instance/zone" if region is not None and project is not None:
                return f"projects/{project}/zones/{region}-a"
            case "instance/region" if region is not None and project is not None:
                return f"projects/{project}/regions/{region}"
        raise _unknown(f"this endpoint does not know {key[:100]}")

    def _usual(self) -> CredentialConfig:
        known = self._asking.credentials
        if not known:
            raise _unknown("no credential of this endpoint is configured any more")
        return known[0]

    # --- accounts -----------------------------------------------------------------------------

    async def _account(self, http_request: HttpRequest, path: str) -> HttpResponse:
        if not path:
            return _text("".join(f"{each}/\n" for each in ["default", *self._by_email()]))
        account, _, key = path.partition("/")
        credential = self._find(account)
        match key:
            case "token":
                return await self._access_token(http_request, credential)
            case "identity":
                return await self._identity_token(http_request, self._for_identity(credential))
            case "" if http_request.query.get("recursive", "").lower() == "true":
                return _json(
                    {
                        "aliases": ["default"] if credential is self._usual() else [],
                        "email": _address(credential),
                        "scopes": list(_scopes(credential)),
                    }
                )
            case "":
                return _text("aliases\nemail\nidentity\nscopes\ntoken\n")
            case "email":
                return _text(_address(credential))
            case "scopes":
                return _text("".join(f"{each}\n" for each in _scopes(credential)))
            case "aliases":
                return _text("default\n" if credential is self._usual() else "")
        raise _unknown(f"an account has no {key[:100]} here")

    async def _access_token(
        self, http_request: HttpRequest, credential: CredentialConfig
    ) -> HttpResponse:
        asked = http_request.query.get("scopes", "")
        scopes = tuple(each for each in asked.replace(" ", ",").split(",") if each)
        released = await self._asking.token(
            http_request,
            TokenRequest(
                credential=credential.name,
                format="gce",
                # What it has anyway needs no narrowing, and no other token.
                scopes=() if set(scopes) <= set(_scopes(credential)) else scopes,
                min_remaining=_MIN_REMAINING,
                timeout=_PATIENCE,
            ),
        )
        now = self._clock.now()
        answer = handed_out(
            released, lambda token: access_token_answer(token, released.credential.name, now)
        )
        return _flavored(answer)

    async def _identity_token(
        self, http_request: HttpRequest, credential: CredentialConfig
    ) -> HttpResponse:
        audience = http_request.query.get("audience")
        if not audience:
            raise RefusedRequest(400, "an identity token needs audience")
        settings = credential.settings
        own = settings.audience if isinstance(settings, gcp.Settings) else None
        released = await self._asking.token(
            http_request,
            TokenRequest(
                credential=credential.name,
                format="gce-identity",
                audience=None if audience == own else audience,
                min_remaining=_MIN_REMAINING,
                timeout=_PATIENCE,
            ),
        )
        name = released.credential.name
        answer = handed_out(
            released, lambda token: identity_token_answer(token, name), "application/text"
        )
        return _flavored(answer)

    def _find(self, account: str) -> CredentialConfig:
        if account == "default":
            return self._usual()
        found = self._by_email().get(account)
        if found is None:
            raise _unknown(f'this endpoint has no account "{account[:100]}"')
        return found

    def _by_email(self) -> dict[str, CredentialConfig]:
        found: dict[str, CredentialConfig] = {}
        for each in self._asking.credentials:
            found.setdefault(_address(each), each)
        return found

    def _for_identity(self, credential: CredentialConfig) -> CredentialConfig:
        """Return the credential of the same account that mints identity tokens."""
        email = _email(credential)
        for each in self._asking.credentials:
            if _mints_identity(each) and _email(each) == email:
                return each
        raise _unknown(
            f'"{credential.name}" hands out no identity tokens: add a credential with '
            'token = "id" to this endpoint'
        )


_LISTS = {"": "instance/\nproject/\nuniverse/\n", "project": "project-id\n", "instance": "zone\n"}


def _email(credential: CredentialConfig) -> str | None:
    settings = credential.settings
    return settings.impersonate_service_account if isinstance(settings, gcp.Settings) else None


def _address(credential: CredentialConfig) -> str:
    return _email(credential) or f"{credential.name}@{_NO_HOST}"


def _scopes(credential: CredentialConfig) -> tuple[str, ...]:
    settings = credential.settings
    return (settings.scopes if isinstance(settings, gcp.Settings) else ()) or (_CLOUD_PLATFORM,)


def _mints_identity(credential: CredentialConfig) -> bool:
    settings = credential.settings
    return isinstance(settings, gcp.Settings) and settings.token == "id"  # noqa: S105 - a kind


def _check_flavor(http_request: HttpRequest) -> None:
    if http_request.headers.get("metadata-flavor") != "Google":
        raise RefusedRequest(403, "the header Metadata-Flavor: Google is missing", Kind.DENIED)


def _unknown(what: str) -> RefusedRequest:
    return RefusedRequest(404, what, Kind.UNKNOWN_CREDENTIAL)


def _text(text: str, *, status: int = 200) -> HttpResponse:
    return HttpResponse(
        status=status,
        body=text.encode("ascii", "replace"),
        content_type="application/text",
        headers=[_FLAVOR],
    )


def _json(record: dict[str, object]) -> HttpResponse:
    return HttpResponse(status=200, body=msgspec.json.encode(record), headers=[_FLAVOR])


def _flavored(answer: HttpResponse) -> HttpResponse:
    return msgspec.structs.replace(answer, headers=[*answer.headers, _FLAVOR])
