"""Settings of `oauth`."""

from __future__ import annotations

import msgspec
import pytest

from credward.settings.oauth import Settings

LEAST = {"issuer": "https://login.example.com", "client_id": "c"}
SECRET = {"client_secret": {"env": "S"}}


def convert(**words):
    return msgspec.convert(LEAST | words, Settings)


def test_two_keys_are_enough():
    """A login by browser with PKCE, as a public client."""
    settings = convert()

    assert (settings.grant_type, settings.auth_method) == ("authorization_code", "none")
    assert settings.meaning.grant.rotating
    assert settings.meaning.grant.logins == ("browser", "device")
    assert settings.meaning.grant.rotation_retry
    assert not convert(rotation_retry=False).meaning.grant.rotation_retry
    assert {"issuer", "token_endpoint", "authorization_endpoint", "client_id"} <= set(
        settings.meaning.grant.identity
    )


@pytest.mark.parametrize(
    ("words", "logins", "rotating"),
    [
        ({"grant_type": "device_code"}, ("device", "browser"), True),
        ({"grant_type": "refresh_token"}, (), True),
        ({"grant_type": "client_credentials"} | SECRET, (), False),
        ({"grant_type": "token_exchange", "subject_token": {"env": "T"}}, (), False),
        ({"grant_type": "jwt_bearer", "assertion": {"env": "T"}}, (), False),
    ],
)
def test_who_logs_in(words, logins, rotating):
    """Users do, clients do not."""
    settings = convert(**words)

    assert (settings.meaning.grant.logins, settings.meaning.grant.rotating) == (logins, rotating)
    assert settings.for_user == rotating


def test_the_words_of_its_grant_are_words_of_its_settings():
    """A table of grants may hold these."""
    assert set(convert().meaning.grant.identity) <= set(Settings.__struct_fields__)


@pytest.mark.parametrize(
    ("words", "method"),
    [
        (SECRET, None),
        (SECRET | {"token_endpoint_auth_method": "client_secret_post"}, "client_secret_post"),
        ({"private_key": {"file": "/k"}}, "private_key_jwt"),
        ({"client_assertion": {"file": "/j"}}, "private_key_jwt"),
        ({"client_certificate": "/c", "client_key": "~/k"}, "tls_client_auth"),
        (SECRET | {"client_certificate": "/c", "client_key": "/k"}, None),
        ({"private_key": {"file": "/k"}, "grant_type": "jwt_bearer"}, "none"),
        ({"private_key": {"file": "/k"}, "grant_type": "jwt_bearer"} | SECRET, None),
    ],
)
def test_how_the_client_proves_who_it_is(words, method):
    """By what it has."""
    assert convert(**words).auth_method == method


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"issuer": None}, "issuer is missing"),
        ({"issuer": "login.example.com"}, "issuer is a URL"),
        ({"issuer": "http://login.example.com"}, "issuer is an https URL"),
        ({"issuer": None, "token_endpoint": "https://a/t"}, "issuer or authorization_endpoint"),
        ({"client_id": ""}, "client_id"),
        ({"grant_type": "password"}, "grant_type"),
        ({"grant_type": "client_credentials"}, "needs client_secret, private_key"),
        ({"grant_type": "token_exchange"}, "needs subject_token"),
        ({"grant_type": "jwt_bearer"}, "needs assertion, or private_key"),
        ({"grant_type": "client_credentials", "dpop": True} | SECRET, "dpop binds refresh tokens"),
        ({"client_secret": "hunter2"}, "written out in the configuration is refused"),
        ({"private_key": "-----BEGIN"}, "written out in the configuration is refused"),
        ({"assertion": "eyJ"}, "written out in the configuration is refused"),
        ({"client_certificate": "/c"}, "go together"),
        ({"client_certificate": "c", "client_key": "k"}, "absolute path"),
        (
            {"private_key": {"env": "A"}, "client_assertion": {"env": "B"}},
            "keep one",
        ),
        ({"token_endpoint_auth_method": "client_secret_basic"}, "needs client_secret"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "private_key or client_assertion"),
        ({"token_endpoint_auth_method": "tls_client_auth"}, "needs client_certificate"),
        ({"redirect_ports": []}, "redirect_ports"),
        ({"redirect_path": "callback"}, "redirect_path"),
        ({"authorization_parameters": {"state": "x"}}, "cannot set state"),
        ({"lifetime": 0}, "lifetime"),
        ({"timeout": 0}, "timeout"),
        ({"scopes": "a"}, "unknown field"),
    ],
)
def test_nonsense_is_refused(words, complaint):
    """With what to write, and without the secret that was written."""
    with pytest.raises(msgspec.ValidationError, match=complaint) as caught:
        convert(**words)

    assert "hunter2" not in str(caught.value)


def test_survives_the_way_to_the_worker():
    """Settings travel as plain values and are read again."""
    settings = convert(**SECRET, redirect_ports=[8400], authorization_parameters={"a": "b"})

    assert msgspec.convert(msgspec.to_builtins(settings), Settings) == settings
