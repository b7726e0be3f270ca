"""Whatever answers: a token that can be handed out, or a classified failure without a word of it."""

from __future__ import annotations

import json

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from credward.errors import BrokerError, Kind
from credward.providers.oauth.provider import OAuthProvider
from credward.providers.provider import HttpResponse, ProviderRequest
from credward.settings.oauth import Settings
from credward.tokens import Secret
from fakes.io import NOW, FakeIo

NAMES = [
    "access_token", "token_type", "expires_in", "refresh_token", "id_token", "scope", "error",
    "refresh_expires_in", "error_description",
]  # fmt: skip
WORDS = ["Bearer", "DPoP", "3600", "invalid_grant", "slow_down", "at-1", "a b", "", "eyJ.e.e"]
VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(WORDS),
    st.lists(st.integers(), max_size=2),
)  # fmt: skip
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES).map(json.dumps).map(str.encode)
HEADERS = st.fixed_dictionaries(
    {"content-type": st.sampled_from(["application/json", "text/html", "", "application/x+json"])},
    optional={"retry-after": st.text() | st.integers().map(str), "dpop-nonce": st.text()},
)
ANSWERS = st.builds(
    HttpResponse,
    status=st.sampled_from([200, 200, 200, 204, 302, 400, 401, 403, 429, 500, 503]),
    headers=HEADERS,
    body=st.one_of(OBJECTS, OBJECTS, st.binary(), st.recursive(VALUES, st.lists).map(json.dumps).map(str.encode)),
)  # fmt: skip
ALLOWED = {
    Kind.LOGIN_REQUIRED, Kind.FIX_CONFIGURATION, Kind.PROVIDER_REFUSED, Kind.RATE_LIMITED,
    Kind.PROVIDER_UNREACHABLE,
}  # fmt: skip


GOOD = b'{"access_token": "at", "expires_in": 60, "refresh_token": "rt-2", "token_type": "Bearer"}'


@example(
    answer=HttpResponse(status=200, headers={"content-type": "application/json"}, body=GOOD),
    token="access",
    dpop=True,
)
@given(answer=ANSWERS, token=st.sampled_from(["access", "id"]), dpop=st.booleans())
def test_t6_any_answer_is_a_token_or_a_failure(answer, token, dpop):
    """And a grant is replaced only by what an answer with status 200 brought."""
    io = FakeIo(server=lambda _: answer)
    words = {
        "token_endpoint": "https://h.example/t",
        "client_id": "c",
        "token": token,
        "dpop": dpop,
    }
    settings = msgspec.convert(words | {"grant_type": "refresh_token"}, Settings)
    request = ProviderRequest(credential="gateway", settings=settings, grant=Secret("rt"))

    try:
        minted = OAuthProvider().mint(request, io)
    except BrokerError as error:
        assert error.kind in ALLOWED
        assert error.message.startswith('"gateway" ')
        assert error.message.isascii()
        assert error.message.isprintable()
        assert error.failure.retry_after is None or 0 <= error.failure.retry_after <= 86_400
        if io.grants or error.kind is Kind.LOGIN_REQUIRED:
            assert error.failure.sent == "no"
    else:
        text = minted.secret.reveal()
        assert text.isascii()
        assert text.isprintable()
        assert " " not in text
        assert NOW < minted.expires_at <= NOW + 315_360_000
    assert len(io.grants) <= 1
    assert answer.status == 200 or not io.grants
    assert len(io.requests) <= 1 + dpop
