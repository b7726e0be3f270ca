"""Tokens and keys that are refused where they are used, as clients report it to the whole daemon."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from credward.client import Client
from credward.errors import BrokerError, Kind
from credward.tokens import TokenRequest
from integration.command_line import cli
from integration.daemon import Answer, DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from waiting import until

KEYS = {"KEY_ONE": "sk-first", "KEY_TWO": "sk-second"}
CHAIN = """
[credentials.one]
provider = "static"
kind = "api-key"
secret = { env = "KEY_ONE" }
fallback = ["two"]
[credentials.two]
provider = "static"
kind = "api-key"
secret = { env = "KEY_TWO" }
"""


@pytest.fixture
def keys(start_daemon: DaemonFactory) -> RunningDaemon:
    """A key and another one that stands in for it."""
    return start_daemon(CHAIN, environment=KEYS)


def report(daemon: RunningDaemon, name: str, answer: Answer, **words: object) -> None:
    body = json.dumps({"token_id": answer.headers["token-id"], **words}).encode()
    done = daemon.request("POST", f"/v1/credentials/{name}/rejected", body=body)
    assert done.status == 202, done.text


def unusable(daemon: RunningDaemon) -> dict[str, Any]:
    listed = daemon.request("GET", "/v1/credentials").json()["unusable"]
    return {each["credential"]: each for each in listed}


def audit(daemon: RunningDaemon) -> list[tuple[str, str]]:
    lines = daemon.request("GET", "/v1/audit").body.splitlines()
    return [(each["credential"], each["outcome"]) for each in map(json.loads, lines)]


def test_g9_the_next_key_serves_when_one_is_refused(keys: RunningDaemon) -> None:
    """Policy, audit and the answer are about the one that serves; status says what is wrong."""
    first = keys.get("one")
    assert first.text == "sk-first"
    before = time.time()
    for _ in range(3):
        report(keys, "one", first)
    answer = keys.get("one")

    assert (answer.text, answer.headers["credential"]) == ("sk-second", "two")
    status = keys.status("one")
    assert (status["state"], status["token_id"]) == ("rejected", None)
    assert status["failure"]["message"] == (
        '"one" is refused where it is used (unauthorized): '
        "set KEY_ONE to another one, then restart credward serve"
    )
    told = unusable(keys)["one"]
    assert before - 1 < told.pop("since") < time.time() + 1
    assert told == {
        "credential": "one",
        "kind": "disabled",
        "reason": "unauthorized",
        "recovery": "fix-configuration",
        "until": None,
        "remaining": None,
    }
    assert audit(keys)[-2:] == [("one", "failed"), ("two", "issued")]
    assert ("one", "rejected") in audit(keys)
    # Its owner says that it is good after all.
    assert keys.request("POST", "/v1/credentials/one/refresh").status == 200
    assert unusable(keys) == {}
    # Another session: this one stays where it is served.
    assert cli(keys, "get", "one").stdout == "sk-first\n"


def test_g9_without_a_stand_in_whoever_asks_is_told(
    start_daemon: DaemonFactory,
) -> None:
    """At once, and no other program or request is made of it."""
    daemon = start_daemon(CHAIN.replace('fallback = ["two"]\n', ""), environment=KEYS)
    report(daemon, "one", daemon.get("one"), reason="revoked")
    answers = [daemon.get("one") for _ in range(5)]

    assert {(answer.status, answer.kind) for answer in answers} == {(502, "provider-refused")}
    assert all("(revoked): set KEY_ONE" in answer.json()["detail"] for answer in answers)
    assert daemon.status("one")["mints"] == 2
    assert daemon.get("two").text == "sk-second"


@pytest.mark.parametrize(("reason", "kind"), [("quota", "cooldown"), ("billing", "disabled")])
def test_g9_a_spent_key_is_left_alone_for_as_long_as_was_told(
    keys: RunningDaemon, reason: str, kind: str
) -> None:
    """No mint could help; whoever asks is served by the next."""
    ends_at = time.time() + 3600
    report(keys, "one", keys.get("one"), reason=reason, until=ends_at)
    told = unusable(keys)["one"]

    assert (told["kind"], told["reason"]) == (kind, reason)
    assert told["until"] == pytest.approx(ends_at)
    assert 0 < told["remaining"] <= 3600
    assert keys.get("one").text == "sk-second"


def test_g9_a_spent_key_is_handed_out_again_when_its_time_is_over(keys: RunningDaemon) -> None:
    """The same as before, and not earlier; a report that comes after that time means 30 s."""
    first = keys.get("one")
    ends_at = time.time() + 3
    report(keys, "one", first, reason="quota", until=ends_at)
    until(lambda: not unusable(keys))

    assert time.time() >= ends_at
    assert cli(keys, "get", "one").stdout == "sk-first\n"


def test_g11_a_report_brings_another_token_also_a_second_time(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Nobody is handed the refused one meanwhile; where the new one is refused at once, enough."""
    daemon = start_daemon(program.block("gateway"))
    first = daemon.get("gateway")
    program.set(hold=1)
    report(daemon, "gateway", first)
    assert daemon.get("gateway", timeout=0.5).kind == "timed-out"
    assert daemon.status("gateway")["state"] == "minting"
    program.set(hold=None)
    second = daemon.get("gateway")
    assert second.text == "opaque-2"
    report(daemon, "gateway", second)
    refused = daemon.get("gateway")

    assert (refused.kind, program.mints) == ("provider-refused", 2)
    assert 0 < int(refused.headers["retry-after"]) <= 120
    assert daemon.status("gateway")["state"] == "rejected"


def test_g11_another_token_than_the_refused_one_is_waited_for(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """`not=` reports and asks in one; an id that is not current any more is no report."""
    daemon = start_daemon(program.block("gateway"))
    first = daemon.get("gateway").headers["token-id"]
    answers = [daemon.get("gateway", **{"not": first}) for _ in range(3)]

    assert {answer.text for answer in answers} == {"opaque-2"}
    assert program.mints == 2
    assert [outcome for _, outcome in audit(daemon)].count("rejected") == 1
    client = Client([daemon.socket], timeout=60)
    body, headers = client.get_token(
        TokenRequest(credential="gateway", other_than=first, timeout=60)
    )
    assert (body, headers["token-id"]) == (b"opaque-2\n", answers[0].headers["token-id"])


def test_g11_another_key_than_the_refused_one_is_the_next_in_the_chain(
    keys: RunningDaemon,
) -> None:
    """In the same request; where there is no other, that is what is said."""
    client = Client([keys.socket], timeout=60)
    token_id = keys.get("one").headers["token-id"]
    body, headers = client.get_token(
        TokenRequest(credential="one", other_than=token_id, timeout=60)
    )

    assert (body, headers["credential"]) == (b"sk-second\n", "two")
    with pytest.raises(BrokerError) as caught:
        client.get_token(TokenRequest(credential="two", other_than=headers["token-id"], timeout=60))
    assert caught.value.kind is Kind.PROVIDER_REFUSED
    assert "KEY_TWO" in caught.value.message
