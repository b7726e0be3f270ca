"""The socket API on loopback: what is offered there, and to whom."""

from __future__ import annotations

import pytest

from credward.doors.http_api import HttpApi
from credward.http.messages import HttpRequest, HttpResponse
from credward.tokens import Secret
from unit.doors.endpoint_rig import send

TOKEN = "/v1/credentials/one/token"


def answer_all(http_request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=200, body=http_request.path.encode())


@pytest.fixture
def protocol() -> HttpApi:
    return HttpApi(answer_all, Secret("sesame"))


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Bearer sesame", 200),
        ("bearer  sesame", 200),
        ("sesame", 401),
        ("Basic sesame", 401),
        ("Bearer sesam", 401),
        ("Bearer", 401),
        ("", 401),
    ],
)
async def test_n2_the_bearer_is_needed(protocol: HttpApi, header: str, status: int) -> None:
    answer = await send(protocol, TOKEN, authorization=header)
    assert answer.status == status
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


@pytest.mark.parametrize(
    "path",
    [
        *("/v1/health", "/v1/ready", TOKEN, "/v1/credentials/one/json"),
        *("/v1/credentials/one/refresh", "/v1/credentials/one/rejected"),
    ],
)
async def test_tokens_are_offered(protocol: HttpApi, path: str) -> None:
    answer = await send(protocol, path, authorization="Bearer sesame")
    assert (answer.status, answer.text) == (200, path)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/v1/credentials",
            "/v1/credentials/",
            "/v1/credentials/one",
            "/v1/credentials/one/",
        ),
        *("/v1/credentials/one/stderr", "/v1/credentials/one/probe", "/v1/credentials/one/jwks"),
        *("/v1/credentials//token", "/v1/credentials/one/token/more", "/v1/grants/one/login"),
        *("/v1/lock", "/v1/reload", "/v1/audit", "/v1/secrets", "/metrics", "/v1/openapi.json"),
    ],
)
async def test_nothing_else_is_offered(protocol: HttpApi, path: str) -> None:
    answer = await send(protocol, path, authorization="Bearer sesame")
    assert answer.status == 404
    assert "hands out tokens only" in answer.json()["detail"]
