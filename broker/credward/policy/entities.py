"""The attested caller and the credential as Cedar entities.

Facts in, entities out; deciding is `engine`. An absent fact is an absent attribute, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from credward.callers.caller import Caller

__all__ = ["Resource", "caller_facts", "entity"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What is asked for: a credential, or everything (`*`) for actions about no single one."""

    credential: str
    provider: str = ""


def caller_facts(caller: Caller, *, owner_uid: int, allow_uids: frozenset[int]) -> dict[str, Any]:
    """Return the attributes of *caller* that policies can read, apart from its pid."""
    facts: dict[str, Any] = {
        "uid": caller.uid,
        "gid": caller.gid,
        "is_owner": caller.uid == owner_uid,
        "is_listed": caller.uid in allow_uids,
        "attestable": caller.attestable,
        "attested": caller.attested,
        "ancestry_complete": caller.ancestry_complete,
    }
    if caller.executable is not None:
        facts["executable"] = caller.executable.path
        facts["program"] = caller.executable.path.rpartition("/")[2]
    if caller.agent is not None:
        facts["agent"] = caller.agent.name
    if caller.harness is not None:
        facts["harness"] = caller.harness
    if caller.relay is not None:
        facts["relay"] = caller.relay
    return facts


def entity(kind: str, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return one entity in Cedar's JSON form."""
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": []}
