"""The answer with one token, and the one with several."""

from __future__ import annotations

import json

import msgspec
import pytest

from credward.config import CredentialConfig
from credward.doors.unix_api.token_answer import token_answer
from credward.errors import BrokerError
from credward.issuing.released import Released
from credward.minting.driver import Answer
from credward.minting.token_cache import Held
from credward.settings import anthropic
from credward.settings.references import Reference
from credward.tokens import TokenRequest

NOW = 1_800_000_000.0


def released(
    name: str,
    *,
    header: str | None = None,
    ends: float | None = None,
    kind: str = "bearer",
    short: bool = False,
    text: bytes = b"",
) -> Released:
    held = Held(
        sealed=b"",
        token_id=f"id-{name}",
        kind=kind,
        issued_at=NOW - len(name),
        expires_at=ends,
        audience=None,
        upstream_id=None,
        warning=None,
        minted_at=NOW,
    )
    credential = CredentialConfig(
        name=name,
        provider="anthropic",
        settings=anthropic.Settings(api_key=Reference(env="K"), workspace_id="wrkspc_1"),
        epoch="e",
        grant="g",
        header=header,
    )
    return Released(
        credential, Answer(held, short=short), lambda _: bytearray(text or name.encode())
    )


def asked(format_name: str = "headers") -> TokenRequest:
    return TokenRequest(credential="-", format=format_name)


def test_the_facts_of_several_are_those_that_hold_for_all() -> None:
    """It was issued with the oldest, and ends with the first; short is what one of them is."""
    tokens = [
        released("a", ends=NOW + 900.9),
        released("bbb", header="x-other", ends=NOW + 60, short=True),
        released("cc", header="x-third"),
    ]
    answer = token_answer(tokens, asked(), NOW)
    facts = dict(answer.headers)

    assert json.loads(answer.body) == {
        "Authorization": "Bearer a",
        "x-other": "bbb",
        "x-third": "cc",
        "anthropic-workspace-id": "wrkspc_1",
    }
    assert (facts["Credential"], facts["Token-Id"]) == ("a,bbb,cc", "id-a,id-bbb,id-cc")
    assert (facts["Issued-At"], facts["Expires-At"]) == (str(int(NOW - 3)), str(int(NOW + 60)))
    assert facts["Lifetime-Short"] == "true"
    assert answer.wipe


def test_two_for_the_same_header_are_no_answer() -> None:
    with pytest.raises(BrokerError, match='"a" and "b" both fill the header Authorization'):
        token_answer([released("a"), released("b")], asked(), NOW)


def test_keys_without_an_end_are_asked_for_again() -> None:
    """An hour after they are handed out."""
    keys = msgspec.json.encode({"AccessKeyId": "A", "SecretAccessKey": "B", "SessionToken": "C"})
    answer = token_answer([released("a", kind="aws", text=keys)], asked("aws-process"), NOW)

    assert json.loads(answer.body)["Expiration"] == "2027-01-15T09:00:00Z"
    assert "Expires-At" not in dict(answer.headers)
