"""Access keys: read, checked, handed on."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from canaries import MARK, canary
from credward.errors import BrokerError, Kind
from credward.providers.aws.keys import Keys, keys_from_answer, keys_from_text, token_of
from fakes.io import NOW

MEMBERS = {"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret", "SessionToken": "session"}


def at(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).isoformat()


@pytest.mark.parametrize(
    "text",
    [
        {"Version": 1, **MEMBERS, "Expiration": at(60)},
        {"Credentials": {**MEMBERS, "Expiration": at(60)}},
        {"AccessKey": {**MEMBERS, "Expiration": at(60).replace("+00:00", "Z")}},
    ],
)
def test_reads_what_the_tools_print(text):
    """Of credential_process, of `aws sts`, of `aws iam create-access-key`."""
    keys = keys_from_text("c", json.dumps(text), "source", NOW)

    assert (keys.access_key_id, keys.session_token) == ("ASIAEXAMPLE", "session")
    assert keys.expires_at == NOW + 60


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>",
        "[]",
        "{}",
        '{"Credentials": []}',
        json.dumps({**MEMBERS, "SecretAccessKey": ""}),
        json.dumps({**MEMBERS, "SecretAccessKey": None}),
        json.dumps({**MEMBERS, "SecretAccessKey": f"{canary('a')}\n"}),
        json.dumps({**MEMBERS, "SessionToken": 7}),
        json.dumps({**MEMBERS, "Expiration": at(-1)}),
        json.dumps({**MEMBERS, "Expiration": canary("e")}),
        json.dumps({**MEMBERS, "Expiration": "2030-01-01T00:00:00"}),
        json.dumps({**MEMBERS, "Expiration": 1_900_000_000}),
        json.dumps({**MEMBERS, "Expiration": "9999-12-31T23:59:59Z"}),
    ],
)
def test_t6_refuses_what_is_no_keys(text):
    """Half a pair, none, over, without a zone, absurd; no part of it in the message."""
    with pytest.raises(BrokerError) as caught:
        keys_from_text("c", text, "source", NOW)

    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert MARK not in caught.value.message


def test_t6_an_answer_must_say_when_its_keys_end():
    """Else they would be kept for good."""
    with pytest.raises(BrokerError, match="gives no expiry"):
        keys_from_answer("c", MEMBERS, "STS", NOW)
    with pytest.raises(BrokerError, match="incomplete"):
        keys_from_answer("c", {**MEMBERS, "SessionToken": None, "Expiration": at(9)}, "STS", NOW)


def test_becomes_a_token_named_by_its_key():
    """Nothing secret shows in the keys or in the name."""
    keys = Keys(access_key_id="ASIA", secret_access_key="s", session_token="t", expires_at=NOW + 9)
    token = token_of(keys, NOW)

    assert json.loads(token.secret.reveal()) == {
        "AccessKeyId": "ASIA",
        "SecretAccessKey": "s",
        "SessionToken": "t",
    }
    assert (token.kind, token.expires_at, token.upstream_id) == ("aws", NOW + 9, "ASIA")
    assert "'s'" not in repr(keys)
    assert "'t'" not in repr(keys)
