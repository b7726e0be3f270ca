"""Every error is a deny, and one caller's decision is never another's."""

from pathlib import Path

import msgspec
import pytest

from credward.callers.caller import Caller, Executable
from credward.errors import BrokerError
from credward.policy.engine import PolicyEngine, Resource

OWNER = Caller(
    uid=1000,
    gid=1000,
    pid=5,
    handle="peerpidfd",
    executable=Executable(path="/usr/bin/curl"),
    ancestry_complete=True,
)
GATEWAY = Resource(credential="gateway", provider="local")


@pytest.fixture
def engine() -> PolicyEngine:
    return PolicyEngine.load(mode="user", owner_uid=1000)


def test_the_deciding_rule_is_named_with_its_place(engine: PolicyEngine) -> None:
    """For the audit log and for people."""
    allowed = engine.decide(OWNER, "Issue", GATEWAY)
    denied = engine.decide(msgspec.structs.replace(OWNER, harness="claude"), "Manage", GATEWAY)

    assert (allowed.allowed, allowed.rules) == (True, ("owner-may-use",))
    assert (denied.allowed, denied.rules) == (False, ("no-manage-under-harness",))
    assert "your own terminal" in denied.reason


def test_a_denial_says_what_helps(engine: PolicyEngine, tmp_path: Path) -> None:
    """By the rule's advice; where it has none, its place and a command."""
    (tmp_path / "x.cedar").write_text('@id("mine")\nforbid (principal, action, resource);\n')
    mine = PolicyEngine.load(mode="sidecar", owner_uid=1000, directory=tmp_path)
    relayed = engine.decide(msgspec.structs.replace(OWNER, relay="socat"), "Issue", GATEWAY)
    perhaps = engine.decide(msgspec.structs.replace(OWNER, harness="unknown"), "Manage", GATEWAY)

    assert relayed.reason.startswith('denied by policy "no-relays": who asks through')
    assert "the environment of your process cannot be read" in perhaps.reason
    assert mine.decide(OWNER, "Issue", GATEWAY).reason.endswith(
        f'denied by policy "mine" ({tmp_path}/x.cedar:1): run credward doctor'
    )


def test_no_permit_is_a_deny(engine: PolicyEngine) -> None:
    """Another uid, and an action that does not exist."""
    assert not engine.decide(msgspec.structs.replace(OWNER, uid=1001), "Issue", GATEWAY).allowed
    unknown = engine.decide(OWNER, "Destroy", GATEWAY)

    assert not unknown.allowed
    assert "run credward" in unknown.reason


def test_a_policy_that_fails_while_deciding_denies(tmp_path: Path) -> None:
    """An overflow in one rule: Cedar would skip it, we do not allow."""
    (tmp_path / "x.cedar").write_text(
        '@id("overflow")\nforbid (principal is Caller, action, resource)\n'
        "when { principal.uid + 9223372036854775807 > 0 };\n"
    )
    engine = PolicyEngine.load(mode="user", owner_uid=1000, directory=tmp_path)
    decision = engine.decide(OWNER, "Issue", GATEWAY)

    assert not decision.allowed
    assert "policy error" in decision.reason


def test_decisions_are_remembered_per_set_of_facts(engine: PolicyEngine) -> None:
    """A thousand pids share one decision; a changed fact does not."""
    first = engine.decide(OWNER, "Issue", GATEWAY)
    again = engine.decide(msgspec.structs.replace(OWNER, pid=6), "Issue", GATEWAY)
    other = engine.decide(msgspec.structs.replace(OWNER, uid=1001), "Issue", GATEWAY)

    assert again is first
    assert other is not first
    assert not other.allowed


def test_memory_is_bounded(engine: PolicyEngine) -> None:
    """A flood of made-up names only makes decisions slower."""
    for number in range(5000):
        engine.decide(OWNER, "Issue", Resource(credential=f"c{number}"))

    assert len(engine._memo) <= 4096


def test_listed_users_are_served_where_policy_says_so() -> None:
    """allow_uids is a fact that policies read."""
    engine = PolicyEngine.load(mode="user", owner_uid=1000, allow_uids=[1001])

    assert engine.decide(msgspec.structs.replace(OWNER, uid=1001), "Issue", GATEWAY).allowed
    assert not engine.decide(msgspec.structs.replace(OWNER, uid=1001), "Manage", GATEWAY).allowed


def test_a_directory_that_is_not_there_is_no_directory_without_rules(tmp_path: Path) -> None:
    """A mistyped one would drop every `forbid` in silence."""
    with pytest.raises(BrokerError, match=r"mistyped.*No such file.*correct its name"):
        PolicyEngine.load(mode="user", owner_uid=1000, directory=tmp_path / "mistyped")
