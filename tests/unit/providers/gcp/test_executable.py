"""What the program of a workload identity may print."""

from __future__ import annotations

import json

import pytest

from credward.errors import BrokerError, Kind
from credward.providers.gcp.executable import ExecutableSupplier, read_subject_token
from fakes.google_server import external_account
from fakes.io import NOW, FakeIo

JWT = "urn:ietf:params:oauth:token-type:jwt"
GOOD = {"version": 1, "success": True, "token_type": JWT, "id_token": "subject"}
SAML = {**GOOD, "token_type": "urn:ietf:params:oauth:token-type:saml2", "saml_response": "<saml>"}


@pytest.mark.parametrize(
    ("answer", "token"),
    [
        (GOOD, "subject"),
        (GOOD | {"token_type": "urn:ietf:params:oauth:token-type:id_token"}, "subject"),
        (GOOD | {"expiration_time": NOW + 1}, "subject"),
        (SAML, "<saml>"),
        (GOOD | {"expiration_time": NOW}, None),
        (GOOD | {"version": 2}, None),
        (GOOD | {"success": False, "code": "1", "message": "m"}, None),
        (GOOD | {"success": "yes"}, None),
        (GOOD | {"token_type": "access"}, None),
        (GOOD | {"id_token": ""}, None),
        (GOOD | {"id_token": 7}, None),
        ([GOOD], None),
        ({}, None),
    ],
)
def test_a_subject_token_or_none(answer, token):
    """By version, success, type and end."""
    assert read_subject_token(json.dumps(answer).encode(), NOW) == token


def test_t7_what_is_no_json_is_none():
    """An empty answer too."""
    assert read_subject_token(b"", NOW) is None
    assert read_subject_token(b"<html>", NOW) is None
    assert read_subject_token(b"[" * 60_000, NOW) is None


def supplier(io, **executable):
    """Return the supplier of a configuration with that program."""
    info = external_account({"executable": executable}) | {"service_account_email": "a@p"}
    return ExecutableSupplier("vertex", info, io)


class Context:
    """What google-auth says of the pool."""

    audience = "pool"
    subject_token_type = JWT


def test_the_program_is_told_what_it_is_for():
    """In Google's variables, without a shell, within its own time."""
    io = FakeIo(output=json.dumps(GOOD).encode())
    found = supplier(io, command="prog 'a b'", timeout_millis=5000, output_file="/tmp/o")

    assert found.get_subject_token(Context, None) == "subject"
    ((command, env, timeout),) = io.commands
    assert (command, timeout) == (("prog", "a b"), 5.0)
    assert env == {
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1",
        "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": "pool",
        "GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE": JWT,
        "GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE": "0",
        "GOOGLE_EXTERNAL_ACCOUNT_REVOKE": "0",
        "GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL": "a@p",
        "GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE": "/tmp/o",
    }


@pytest.mark.parametrize(
    "words",
    [{}, {"command": " "}, {"command": "a 'b"}, {"command": "a", "timeout_millis": 4999}],
)
def test_a_configuration_that_cannot_be_run(words):
    """Is said before anything runs."""
    with pytest.raises(BrokerError) as caught:
        supplier(FakeIo(), **words)

    assert caught.value.kind is Kind.FIX_CONFIGURATION


def test_a_program_that_fails_is_classified():
    """As for `command`; and one that says no has its name in the message."""
    with pytest.raises(BrokerError) as caught:
        supplier(FakeIo(exit_code=67), command="prog").get_subject_token(Context, None)
    assert caught.value.kind is Kind.LOGIN_REQUIRED

    with pytest.raises(BrokerError, match="run prog by hand") as caught:
        supplier(FakeIo(output=b"{}"), command="prog").get_subject_token(Context, None)
    assert caught.value.kind is Kind.PROVIDER_REFUSED
