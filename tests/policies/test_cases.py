"""Policy by example: in each mode, each rule has cases that it allows and cases that it denies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from credward.callers.caller import Caller, Executable, Process
from credward.policy.engine import PolicyEngine, Resource

CASES = Path(__file__).parents[2] / "policies" / "cases"
MODES = ("user", "system", "sidecar")
FILES = sorted(CASES.rglob("*.json"))


def caller(words: dict[str, Any]) -> Caller:
    program = words.get("executable")
    agent = words.get("agent")
    return Caller(
        uid=words["uid"],
        gid=words.get("gid", words["uid"]),
        pid=words.get("pid", 5),
        handle="peerpidfd" if words.get("attested", True) else None,
        executable=Executable(path=program) if program else None,
        agent=Process(pid=4, start_time=1, name=agent) if agent else None,
        harness=words.get("harness"),
        relay=words.get("relay"),
        ancestry_complete=words.get("ancestry_complete", True),
        attestable=words.get("attestable", True),
        door=words.get("door"),
    )


def engine(mode: str, owner_uid: int, allow_uids: list[int]) -> PolicyEngine:
    """Return the policy of *mode*; where that ships no permit, with the example beside its cases."""
    example = CASES / mode
    return PolicyEngine.load(
        mode=mode,
        owner_uid=owner_uid,
        allow_uids=allow_uids,
        directory=None if mode == "user" else example,
    )


@pytest.mark.parametrize(
    "path", FILES, ids=lambda path: str(path.relative_to(CASES).with_suffix(""))
)
def test_case(path: Path) -> None:
    """Decided as its folder says, by the rule it names, in the mode of the folder above."""
    case = json.loads(path.read_text())
    mode, outcome, _ = path.relative_to(CASES).parts
    decision = engine(mode, case["owner_uid"], case.get("allow_uids", [])).decide(
        caller(case["caller"]), case["action"], Resource(credential="gateway", provider="local")
    )

    assert decision.allowed is (outcome == "allow")
    assert (decision.rules or (None,))[0] == case["rule"]


@pytest.mark.parametrize("mode", MODES)
def test_s7_every_rule_has_a_case_in_every_mode(mode: str) -> None:
    """S-7: a rule without an example is a guess, and the shipped forbids hold everywhere."""
    files = sorted((CASES / mode).rglob("*.json"))
    named = {json.loads(path.read_text())["rule"] for path in files}
    loaded = PolicyEngine.load(mode=mode, owner_uid=1)._loaded
    shipped = {each.rule for each in loaded.statements}

    assert shipped <= named
    assert shipped >= {
        "no-manage-under-harness",
        "no-manage-unless-sure",
        "no-relays",
        "no-foreign-root",
    }
    assert {path.parent.name for path in files} == {"allow", "deny"}


def test_only_user_mode_ships_permits() -> None:
    """Elsewhere everything that is allowed was written by somebody."""
    words = {"uid": 1, "executable": "/usr/bin/credward"}
    resource = Resource(credential="gateway", provider="local")
    allowed = [
        mode
        for mode in MODES
        if PolicyEngine.load(mode=mode, owner_uid=1)
        .decide(caller(words), "Issue", resource)
        .allowed
    ]

    assert allowed == ["user"]
