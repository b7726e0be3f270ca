"""One request, and only facts come back; the forms and real answers are tests/integration/test_probe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.provider import HttpRequest, HttpResponse
from credward.providers.transport import Unanswered
from credward.providers.upstream import ERRORS, Asked, ask, read_reply
from credward.tokens import Secret
from credward.upstream import Question, Signing

NOW = 1_800_000_000.0


class Way:
    """Keeps what is sent and gives an answer."""

    def __init__(self, answer: HttpResponse | Unanswered) -> None:
        self.answer = answer
        self.sent: list[HttpRequest] = []

    def exchange(self, http_request: HttpRequest, **_: Any) -> HttpResponse | Unanswered:
        self.sent.append(http_request)
        return self.answer


def answered(body: Any = "", status: int = 400, **headers: str) -> HttpResponse:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, headers=names, body=json.dumps(body).encode())


def asked(token: str, present: Any = "both", kind: Any = "bearer") -> Asked:
    question = Question(
        url="https://llm.example.com/v1/messages", headers={"a": "b"}, body="{}", present=present
    )
    return Asked(credential="it", question=question, token=Secret(token), kind=kind, now=NOW)


@pytest.mark.parametrize(
    ("present", "headers"),
    [
        ("bearer", {"Authorization": "Bearer t"}),
        ("api-key", {"x-api-key": "t"}),
        ("both", {"Authorization": "Bearer t", "x-api-key": "t"}),
    ],
)
def test_shows_the_token_in_the_headers_of_the_question(present, headers):
    """Beside those that it has."""
    way = Way(answered())
    ask(asked("t", present), way)
    (sent,) = way.sent

    assert sent.headers == {"a": "b"} | headers
    assert (sent.method, sent.timeout) == ("POST", 15.0)


@pytest.mark.parametrize(
    ("present", "kind"),
    [("both", "basic"), ("bearer", "aws"), (Signing(service="bedrock", region="r"), "bearer")],
)
def test_a_token_of_another_kind_is_not_sent(present, kind):
    """A password of a registry, or keys that only sign."""
    way = Way(answered())
    secret = canary("kind")
    with pytest.raises(BrokerError) as caught:
        ask(asked(secret, present, kind), way)

    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert MARK not in caught.value.message
    assert way.sent == []


def test_keys_sign_and_stay():
    """Neither of the two secrets but the session token, which is part of the protocol."""
    way = Way(answered())
    keys = {
        "AccessKeyId": "AKIA1",
        "SecretAccessKey": f"{canary('key')}/+",
        "SessionToken": "session",
    }
    ask(asked(json.dumps(keys), Signing(service="bedrock", region="us-east-1"), "aws"), way)
    headers = way.sent[0].headers

    assert "/us-east-1/bedrock/aws4_request" in headers["Authorization"]
    assert headers["X-Amz-Security-Token"] == "session"
    assert MARK not in "".join(headers.values())


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answered({"type": "error", "error": {"type": "not_found_error"}}), "not_found_error"),
        (answered({"error": {"code": 403, "status": "PERMISSION_DENIED"}}), "PERMISSION_DENIED"),
        (answered({"error": {"code": "DeploymentNotFound"}}), "DeploymentNotFound"),
        (answered({"__type": "com.amazon#AccessDeniedException"}), "AccessDeniedException"),
        (
            answered({}, x_amzn_errortype="ExpiredTokenException:http://internal.amazon.com/"),
            "ExpiredTokenException",
        ),
        (answered({"error": "expired_key"}), "expired_key"),
        (answered({"error": {"code": "401", "type": "auth_error"}}), "auth_error"),
        (answered({"error": {"type": f"{MARK}"}}), ""),
        (answered({"error": {"type": ["not_found_error"]}}), ""),
        (answered([1]), ""),
        (answered(None), ""),
        (HttpResponse(status=502, headers={}, body=b"<html>not_found_error"), ""),
        (HttpResponse(status=500, headers={}, body=b"[" * 60_000), ""),
    ],
)
def test_only_words_of_a_list_are_passed_on(answer, error):
    """Of Anthropic, Google, Azure, AWS and LiteLLM, wherever each has them."""
    assert read_reply(answer, (), NOW).error == error
    assert error in ERRORS or not error


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}, "req_011CSHoEeqs5C35K2UUqR7Fy"),
        ({"apim_request_id": "a-1", "x_request_id": "x-1"}, "x-1"),
        ({"request_id": "has space", "x_amzn_requestid": "r/1"}, "r/1"),
        ({"request_id": "x" * 101}, ""),
        ({"request_id": "\x1b[31m"}, ""),
        ({"request_id": "the-token"}, ""),
        ({"request_id": "with-the-token-in-it"}, ""),
        ({"request_id": "token"}, ""),
        ({"request_id": "x-he-token-y"}, ""),
        ({"request_id": "x-token-y"}, "x-token-y"),
        ({}, ""),
    ],
)
def test_a_request_id_is_plain_and_no_secret(headers, found):
    """A server may repeat what it was shown."""
    assert read_reply(answered(**headers), ("the-token",), NOW).request_id == found


def test_passes_on_how_long_to_wait():
    """In seconds, from either form."""
    assert read_reply(answered(retry_after="7"), (), NOW).retry_after == 7.0
    assert read_reply(answered(retry_after="soon"), (), NOW).retry_after is None


def test_without_an_answer_there_is_a_trouble():
    """And no status."""
    reply = ask(asked("t"), Way(Unanswered(trouble="tls-name", sent="no", proxied=True)))

    assert (reply.status, reply.trouble, reply.proxied) == (0, "tls-name", True)
