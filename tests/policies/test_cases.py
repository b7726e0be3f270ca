"""Policy by example: each rule of the shipped policy has cases it allows and cases it denies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from credward.callers.caller import Caller, Executable, Process
from credward.policy.engine import PolicyEngine, Resource

CASES = Path(__file__).parents[2] / "policies" / "cases"
FILES = sorted(CASES.rglob("*.json"))


def caller(words: dict[str, Any]) -> Caller:
    program = words.get("executable")
    agent = words.get("agent")
    return Caller(
        uid=words["uid"],
        gid=words.get("gid", words["uid"]),
        pid=words.get("pid", 5),
        handle="peerpidfd" if words.get("attested", True) else None,
        executable=Executable(path=program, device=1, inode=1) if program else None,
        agent=Process(pid=4, start_time=1, name=agent) if agent else None,
        harness=words.get("harness"),
        ancestry_complete=words.get("ancestry_complete", True),
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_case(path: Path) -> None:
    """Decided as its folder says, by the rule it names."""
    case = json.loads(path.read_text())
    engine = PolicyEngine.load(
        mode="user", owner_uid=case["owner_uid"], allow_uids=case.get("allow_uids", [])
    )
    decision = engine.decide(
        caller(case["caller"]), case["action"], Resource(credential="gateway", provider="local")
    )

    assert decision.allowed is (path.parent.name == "allow")
    assert decision.rule == case["rule"]


def test_every_rule_has_a_case() -> None:
    """A rule without an example is a guess."""
    named = {json.loads(path.read_text())["rule"] for path in FILES}
    rules = set(PolicyEngine.load(mode="user", owner_uid=1)._loaded.origins)

    assert rules <= named
    assert {path.parent.name for path in FILES} == {"allow", "deny"}
