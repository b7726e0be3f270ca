"""The attested caller and the credential as Cedar entities.

Facts in, entities out; `engine` decides. An absent fact is an absent attribute, never a guess.
"""

from __future__ import annotations

from typing import Any

import msgspec

from credward.callers.caller import Caller

__all__ = ["CallerFacts", "Resource", "caller_facts", "entity"]


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """The resource of a request: a credential, or `*` for actions about no single one."""

    credential: str
    provider: str = ""


class CallerFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The attributes of a caller that policies can read, apart from its pid; None: absent."""

    uid: int
    door: str
    located: bool
    is_owner: bool
    is_listed: bool
    attestable: bool
    attested: bool
    ancestry_complete: bool
    gid: int | None = None
    executable: str | None = None
    program: str | None = None
    agent: str | None = None
    harness: str | None = None
    relay: str | None = None


def caller_facts(caller: Caller, *, owner_uid: int, allow_uids: frozenset[int]) -> CallerFacts:
    """Return the attributes of *caller* that policies can read."""
    path = None if caller.executable is None else caller.executable.path
    return CallerFacts(
        uid=caller.uid,
        # Without the port, which changes.
        door=(caller.door or "socket").partition(":")[0],
        located=caller.pid is not None,
        gid=caller.gid,
        is_owner=caller.uid == owner_uid,
        is_listed=caller.uid in allow_uids,
        attestable=caller.attestable,
        attested=caller.attested,
        ancestry_complete=caller.ancestry_complete,
        executable=path,
        program=None if path is None else path.rpartition("/")[2],
        agent=None if caller.agent is None else caller.agent.name,
        harness=caller.harness,
        relay=caller.relay,
    )


def entity(kind: str, name: str, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return one entity in Cedar's JSON form."""
    return {"uid": {"type": kind, "id": name}, "attrs": attributes, "parents": []}
