"""Tokens and ends of token answers."""

from __future__ import annotations

import jwt
import msgspec
import pytest

from credward.errors import BrokerError, Kind
from credward.providers.oauth.tokens import (
    check_id_token,
    read_account,
    read_end_of_grant,
    read_refresh_token,
    read_token,
)
from credward.providers.provider import ProviderRequest
from credward.settings.oauth import Settings
from fakes.io import NOW

HOUR = {"access_token": "at", "token_type": "Bearer", "expires_in": 3600}
ID_CLAIMS = {"iss": "https://login.example.com", "aud": "c", "sub": "s", "exp": NOW + 60}


def request(*, scopes=(), audience=None, **words):
    settings = {"issuer": "https://login.example.com", "client_id": "c"} | words
    return ProviderRequest(
        credential="gateway",
        settings=msgspec.convert(settings, Settings),
        scopes=scopes,
        audience=audience,
    )


def signed(**claims):
    return jwt.encode(claims, "k" * 32, algorithm="HS256")


def read(answer, **words):
    return read_token(answer, request(**words), asked_at=NOW)


@pytest.mark.parametrize("seconds", [3600, "3600", 3600.0])
def test_t6_expires_in_as_number_or_digits(seconds):
    """It counts from when the request was sent."""
    token = read(HOUR | {"expires_in": seconds})

    assert (token.issued_at, token.expires_at) == (NOW, NOW + 3600)


@pytest.mark.parametrize(
    "seconds", [0, -1, "-1", 1e12, "9" * 12, "9" * 400, 10**400, "soon", "1.5", True, [], "", "²"]
)
def test_t6_an_absurd_end_is_refused(seconds):
    """Nor is it invented; what happened to the grant is certain."""
    with pytest.raises(BrokerError, match="the token has an invalid expiry") as caught:
        read(HOUR | {"expires_in": seconds}, lifetime=60)

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "no")


def test_t6_without_expires_in_the_token_tells():
    """Else the settings; else the settings have to be told."""
    text = signed(exp=NOW + 60, jti="name-1")
    token = read({"access_token": text})
    assert (token.expires_at, token.upstream_id) == (NOW + 60, "name-1")
    assert read({"access_token": "at"}, lifetime=90).expires_at == NOW + 90
    assert read(HOUR, lifetime=90).expires_at == NOW + 3600

    with pytest.raises(BrokerError, match="set lifetime") as caught:
        read({"access_token": "at"})
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    with pytest.raises(BrokerError, match="an invalid expiry"):
        read({"access_token": signed(exp=NOW - 60)})


@pytest.mark.parametrize("token", [None, "", 5, {}, [], False])
def test_t6_an_answer_without_a_token(token):
    """Nobody knows what such a server did."""
    with pytest.raises(BrokerError, match="contains no access_token") as caught:
        read({"access_token": token, "expires_in": 60})

    assert (caught.value.kind, caught.value.failure.sent) == (Kind.PROVIDER_REFUSED, "maybe")


@pytest.mark.parametrize("token", ["a b", "a\nb", "é", "x" * 20_000, "a\0"])
def test_what_is_no_token(token):
    """It could not be put into a header."""
    with pytest.raises(BrokerError, match="is invalid"):
        read(HOUR | {"access_token": token})


def test_token_types():
    """Bearer, or none; others need more than a token."""
    for token_type in ("bearer", "BEARER", "DPoP", "N_A"):
        assert read(HOUR | {"token_type": token_type}).kind == "bearer"
    assert read({"access_token": "at", "expires_in": 5}).kind == "bearer"
    for token_type in ("mac", 5, None):
        with pytest.raises(BrokerError, match="other than bearer"):
            read(HOUR | {"token_type": token_type})


def test_a_token_for_more_than_was_allowed():
    """The caller may ask for these scopes alone, whatever the server thinks of it."""
    assert read(HOUR | {"scope": "a"}, scopes=("a", "b"))
    assert read(HOUR | {"scope": "a openid email"}, scopes=("a",))
    assert read(HOUR, scopes=("a",))
    assert read(HOUR | {"scope": "a b c"}, scope="a")
    with pytest.raises(BrokerError, match="more scopes"):
        read(HOUR | {"scope": "a c"}, scopes=("a", "b"))


def test_the_audience_is_what_was_asked_for():
    """Else what is configured."""
    assert read(HOUR, audience="x", resource="r").audience == "x"
    assert read(HOUR, resource="r").audience == "r"
    assert read(HOUR).audience is None


def test_the_id_token_in_its_place():
    """With its own end, for this client, of this server."""
    answer = HOUR | {"id_token": signed(**ID_CLAIMS)}
    token = read(answer, token="id")
    assert token.expires_at == NOW + 60
    assert token.secret.reveal() == answer["id_token"]

    with pytest.raises(BrokerError, match="contains no id_token: add openid to scope"):
        read(HOUR, token="id")
    for wrong in ({"aud": "d"}, {"iss": "https://other.example.com"}, {"exp": NOW - 1}):
        with pytest.raises(BrokerError):
            read(HOUR | {"id_token": signed(**ID_CLAIMS | wrong)}, token="id")
    with pytest.raises(BrokerError, match="another client"):
        read(HOUR | {"id_token": "opaque"}, token="id")


def test_id_tokens_of_a_login():
    """The nonce ties it to this login."""
    check_id_token(ID_CLAIMS | {"aud": ["d", "c"], "nonce": "n"}, request(), nonce="n")
    for nonce in ("m", None, 5):
        with pytest.raises(BrokerError, match="another login"):
            check_id_token(ID_CLAIMS | {"nonce": nonce}, request(), nonce="n")


def test_refresh_tokens():
    """One that cannot be kept is none."""
    assert read_refresh_token({"refresh_token": "rt"}) == "rt"
    for text in (None, "", 5, "a b", "é", "a\n"):
        assert read_refresh_token({"refresh_token": text}) is None
    assert read_refresh_token({}) is None


def test_the_end_of_a_grant():
    """Keycloak's 0 is never."""
    assert read_end_of_grant({"refresh_expires_in": 60}, NOW) == NOW + 60
    assert read_end_of_grant({"refresh_token_expires_in": "60"}, NOW) == NOW + 60
    for answer in ({}, {"refresh_expires_in": 0}, {"refresh_expires_in": "x"}):
        assert read_end_of_grant(answer, NOW) is None


def test_who_logged_in():
    """By what people know each other by."""
    whole = {"email": "a@b", "preferred_username": "a", "sub": "1"}
    assert read_account({"id_token": signed(**whole)}) == "a@b"
    assert read_account({"id_token": signed(preferred_username="a", sub="1")}) == "a"
    assert read_account({"id_token": signed(sub="1")}) == "1"
    assert read_account({"id_token": signed(sub="1", email="a\nb")}) == "1"
    assert read_account({"id_token": "x"}) is None
    assert read_account({}) is None
