"""A session of boto3 that has its keys from the daemon."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import CredentialRetrievalError

import credward
from credward.errors import BrokerError

KEYS = json.dumps(
    {"AccessKeyId": "AKIA1", "SecretAccessKey": "opaque-1", "SessionToken": "session"}
)


def test_keys_are_asked_for_when_they_are_used(serve) -> None:
    """For longer than the quarter of an hour in which botocore asks at each use; then it keeps them."""
    daemon = serve(kind="aws", token=KEYS, expires_at=4_000_000_000)
    session = credward.aws_session("gateway", region="eu-central-1")
    assert daemon.asked == []
    found = session.get_credentials()
    assert found is not None
    frozen = [found.get_frozen_credentials() for _ in range(3)][-1]

    assert (frozen.access_key, frozen.secret_key, frozen.token) == ("AKIA1", "opaque-1", "session")
    asked = [each for each in daemon.asked if "/json?" in each]
    assert len(asked) == 1
    assert "min_remaining=960.000" in asked[0]
    assert session.region_name == "eu-central-1"


def test_keys_without_an_end_are_asked_for_again(serve) -> None:
    """Botocore would keep them for good."""
    serve(kind="aws", token=KEYS, expires_at=None)
    found = credward.aws_session("gateway").get_credentials()
    assert found is not None
    assert found.access_key == "AKIA1"
    assert 3500 < found._seconds_remaining() <= 3600  # type: ignore[attr-defined]


def test_keys_of_the_environment_are_not_used_instead(serve, monkeypatch) -> None:
    """A session that was asked for by name has no other keys, whatever is set."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    serve(kind="aws", token=KEYS)
    found = credward.aws_session("gateway").get_credentials()
    assert found is not None
    assert found.method == "credward"


def test_a_token_is_no_keys(serve) -> None:
    """An error of botocore with our line."""
    serve()
    found = credward.aws_session("gateway").get_credentials()
    assert found is not None
    with pytest.raises(CredentialRetrievalError, match="not AWS keys") as caught:
        found.get_frozen_credentials()
    assert isinstance(caught.value.__cause__, BrokerError)
