"""AWS keys under the names of each consumer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from canaries import canary
from credward.errors import BrokerError, Kind
from credward.formats.aws_keys import (
    container_answer,
    imds_answer,
    keys_of,
    shape_export,
    shape_process,
)
from credward.formats.shape import ShapeRequest
from credward.tokens import Secret, Token

NOW = 1_800_000_000.0
SECRET = canary("aws")
PARTS = {"AccessKeyId": "AKIA1", "SecretAccessKey": SECRET, "SessionToken": "session"}
REQUEST = ShapeRequest(credential="a", now=NOW)
Shape = Callable[[Token, str, float], bytearray]


def keys(*, expires_at: float | None = NOW + 3600, **parts: str) -> Token:
    return Token(
        secret=Secret(json.dumps(PARTS | parts)), kind="aws", issued_at=NOW, expires_at=expires_at
    )


@pytest.mark.parametrize("shape", [container_answer, imds_answer])
def test_the_session_token_is_called_token(shape: Shape) -> None:
    answer = json.loads(shape(keys(), "a", NOW))
    assert answer["Token"] == "session"
    assert (answer["AccessKeyId"], answer["SecretAccessKey"]) == ("AKIA1", SECRET)
    assert answer["Expiration"] == "2027-01-15T09:00:00Z"


def test_imds_says_that_all_is_well() -> None:
    answer = json.loads(imds_answer(keys(), "a", NOW))
    assert (answer["Code"], answer["Type"]) == ("Success", "AWS-HMAC")
    assert answer["LastUpdated"] == "2027-01-15T08:00:00Z"


@pytest.mark.parametrize("shape", [container_answer, imds_answer])
def test_keys_without_an_end_get_one(shape: Shape) -> None:
    """A client would keep them for good, although they were issued long ago."""
    answer = json.loads(shape(keys(expires_at=None), "a", NOW + 7200))
    assert answer["Expiration"] == "2027-01-15T11:00:00Z"


@pytest.mark.parametrize("shape", [container_answer, imds_answer])
def test_another_kind_of_token_has_no_keys(shape: Shape) -> None:
    token = Token(secret=Secret(SECRET), kind="bearer", issued_at=NOW, expires_at=None)
    with pytest.raises(BrokerError) as caught:
        shape(token, "gateway", NOW)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert '"gateway" hands out a token of kind bearer, not AWS keys' in caught.value.message


def test_h3_keys_do_not_print() -> None:
    assert SECRET not in repr(keys_of(keys(), "a", NOW))


SESSION = {
    "AccessKeyId": "AKIA1",
    "SecretAccessKey": SECRET,
    "SessionToken": "session",
    "Expiration": "2027-01-15T09:00:00Z",
}


def test_a_process_prints_a_version_that_is_a_number() -> None:
    """Fractions of the end are cut off: never later than it is."""
    shaped = shape_process(keys(expires_at=NOW + 3600.9), REQUEST)
    assert json.loads(shaped.body) == {"Version": 1, **SESSION}


def test_an_export_is_what_sts_prints() -> None:
    assert json.loads(shape_export(keys(), REQUEST).body) == {"Credentials": SESSION}


def test_keys_without_a_session_name_none() -> None:
    """Botocore takes them; Claude Code does not, and does not say why."""
    lasting = keys(SessionToken="", expires_at=None)
    assert json.loads(shape_process(lasting, REQUEST).body) == {
        "Version": 1,
        "AccessKeyId": "AKIA1",
        "SecretAccessKey": SECRET,
        "Expiration": "2027-01-15T09:00:00Z",
    }
    with pytest.raises(BrokerError, match=r'"a" hands out keys without a session token.*role_arn'):
        shape_export(lasting, REQUEST)


@pytest.mark.parametrize("shape", [shape_process, shape_export])
def test_a_token_is_no_keys(shape: Callable[[Token, ShapeRequest], object]) -> None:
    token = Token(secret=Secret(SECRET), kind="bearer", issued_at=NOW, expires_at=None)
    with pytest.raises(BrokerError, match="not AWS keys"):
        shape(token, REQUEST)
