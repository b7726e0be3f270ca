"""Asks one question of the service that takes a token; the answer's text goes no further than this.

In a worker of its own. What is asked is decided by `issuing.questions`, what an answer means to a
person by `cli.live`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpRequest, HttpResponse
from credward.providers.retry_after import read_retry_after
from credward.providers.transport import Unanswered
from credward.tokens import Secret, TokenKind
from credward.upstream import Question, Reply, Signing

__all__ = ["ERRORS", "Asked", "Way", "ask", "read_reply"]

# An error is a few hundred bytes; of anything longer only the head is of use (bytes).
_MAX_BODY = 64 * 1024
# The headers that name a request: Anthropic, gateways, AWS, Azure, Google.
_REQUEST_IDS = (
    *("request-id", "x-request-id", "x-amzn-requestid", "apim-request-id", "x-ms-request-id"),
    *("x-goog-request-id", "x-litellm-call-id"),
)
# A request id that has as many characters in a row of the secret is dropped.
_SHARED = 8
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+/=-]{0,99}")

# The words that are passed on; all else that a server says stays here. Anthropic, "Errors"; AWS,
# "Bedrock Runtime: InvokeModel" and "Common Errors"; Google, google.rpc.Code; Azure, "Foundry
# Models: errors"; LiteLLM, `ProxyErrorTypes`.
ERRORS = frozenset(
    {
        *("invalid_request_error", "authentication_error", "billing_error", "permission_error"),
        *("not_found_error", "request_too_large", "rate_limit_error", "api_error"),
        *("timeout_error", "overloaded_error"),
        *("AccessDeniedException", "ExpiredTokenException", "UnrecognizedClientException"),
        *("InvalidSignatureException", "IncompleteSignatureException"),
        *("MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired"),
        *("ValidationException", "ResourceNotFoundException", "ThrottlingException"),
        *("ServiceQuotaExceededException", "ModelNotReadyException", "ModelErrorException"),
        *("ModelTimeoutException", "InternalServerException", "ServiceUnavailableException"),
        *("UNAUTHENTICATED", "PERMISSION_DENIED", "NOT_FOUND", "INVALID_ARGUMENT"),
        *("FAILED_PRECONDITION", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE"),
        *("DEADLINE_EXCEEDED", "Unauthorized", "PermissionDenied", "AuthenticationFailed"),
        *("DeploymentNotFound", "ResourceNotFound", "unknown_model", "RateLimitReached"),
        *("TooManyRequests", "content_filter", "auth_error", "budget_exceeded"),
        *("expired_key", "token_not_found_in_db", "key_model_access_denied"),
        *("team_model_access_denied", "user_model_access_denied"),
    }
)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A question, and the token to ask it with; *now* is the daemon's clock, in Unix seconds."""

    credential: str
    question: Question
    token: Secret
    kind: TokenKind
    now: float


class Way(Protocol):
    """The part of the transport that is used here."""

    def exchange(
        self, http_request: HttpRequest, *, credential: str, max_body: int = ...
    ) -> HttpResponse | Unanswered:
        """Send one request, or raise `BrokerError` for one that must not be sent."""
        ...


def ask(asked: Asked, way: Way) -> Reply:
    """Send the one request and return what came back, without any text of the server."""
    secrets, headers = _present(asked)
    question = asked.question
    answer = way.exchange(
        HttpRequest(
            method="POST",
            url=question.url,
            headers={**question.headers, **headers},
            body=question.body.encode(),
            timeout=question.timeout,
        ),
        credential=asked.credential,
        max_body=_MAX_BODY,
    )
    if isinstance(answer, Unanswered):
        return Reply(trouble=answer.trouble, proxied=answer.proxied)
    return read_reply(answer, secrets, asked.now)


def read_reply(answer: HttpResponse, secrets: tuple[str, ...], now: float) -> Reply:
    """Return the facts of an answer; a request id that repeats one of *secrets* is none."""
    names = (answer.headers.get(name, "") for name in _REQUEST_IDS)
    found = next((each for each in names if _REQUEST_ID.fullmatch(each)), "")
    if any(_share(found, secret) for secret in secrets):
        found = ""
    return Reply(
        status=answer.status,
        request_id=found,
        error=_error(answer),
        retry_after=read_retry_after(answer.headers, now),
    )


def _share(found: str, secret: str) -> bool:
    """Return whether *found* repeats the secret, or a part of it that is long enough to help."""
    if not found:
        return False
    length = min(_SHARED, len(found), len(secret))
    return any(found[at : at + length] in secret for at in range(len(found) - length + 1))


def _error(answer: HttpResponse) -> str:
    """Return the first word of an error that is on our list, the most exact one first."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        body = None
    inner = body.get("error") if isinstance(body, dict) else None
    words = [
        answer.headers.get("x-amzn-errortype"),
        *(_words(inner, ("status", "code", "type")) if isinstance(inner, dict) else [inner]),
        *(_words(body, ("__type", "code", "type")) if isinstance(body, dict) else []),
    ]
    # AWS writes a namespace before the word, or the address of its documentation after it.
    plain = (each.rpartition("#")[2].partition(":")[0] for each in words if isinstance(each, str))
    return next((each for each in plain if each in ERRORS), "")


def _words(table: Mapping[str, Any], names: tuple[str, ...]) -> list[Any]:
    return [table.get(name) for name in names]


def _present(asked: Asked) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return what must not come back, and the headers that show the token or its signature."""
    token = asked.token.reveal()
    present = asked.question.present
    if isinstance(present, Signing):
        if asked.kind != "aws":
            raise _misfit(asked, "no AWS keys")
        return _sign(asked, token, present)
    if asked.kind not in {"bearer", "api-key"}:
        raise _misfit(asked, f"a token of kind {asked.kind}")
    bearer, key = {"Authorization": f"Bearer {token}"}, {"x-api-key": token}
    return (token,), {"bearer": bearer, "api-key": key, "both": bearer | key}[present]


def _sign(asked: Asked, token: str, signing: Signing) -> tuple[tuple[str, ...], dict[str, str]]:
    """Sign as the AWS SDKs do (Signature Version 4); the keys stay here."""
    from botocore.auth import SigV4Auth  # noqa: PLC0415 - 30 ms, only for AWS keys
    from botocore.awsrequest import AWSRequest  # noqa: PLC0415
    from botocore.credentials import Credentials  # noqa: PLC0415

    keys = msgspec.json.decode(token, type=_Keys)
    question = asked.question
    http_request = AWSRequest("POST", question.url, dict(question.headers), question.body.encode())
    credentials = Credentials(keys.AccessKeyId, keys.SecretAccessKey, keys.SessionToken)
    SigV4Auth(credentials, signing.service, signing.region).add_auth(http_request)
    secrets = tuple(filter(None, (keys.SecretAccessKey, keys.SessionToken)))
    return secrets, dict(http_request.headers.items())


class _Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A token of kind `aws`, as `providers.aws.keys` makes it."""

    AccessKeyId: str
    SecretAccessKey: str
    SessionToken: str | None = None

    def __repr__(self) -> str:
        return f"_Keys({self.AccessKeyId})"


def _misfit(asked: Asked, what: str) -> BrokerError:
    return BrokerError(
        Kind.FIX_CONFIGURATION,
        f'"{asked.credential}" is {what}, which this service does not take: '
        "correct its provider or kind in the configuration",
    )
