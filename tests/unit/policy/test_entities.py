"""Facts as Cedar sees them."""

import msgspec

from credward.callers.caller import Caller, Executable, Process
from credward.policy.entities import caller_facts, entity


def test_absent_facts_are_absent_attributes() -> None:
    """Never a guess, never an empty string."""
    facts = caller_facts(Caller(uid=7, gid=8, pid=None), owner_uid=1, allow_uids=frozenset({7}))

    assert msgspec.to_builtins(facts) == {
        "uid": 7,
        "gid": 8,
        "door": "socket",
        "located": False,
        "is_owner": False,
        "is_listed": True,
        "attestable": True,
        "attested": False,
        "ancestry_complete": False,
    }


def test_established_facts_are_there_and_the_pid_is_not() -> None:
    """A pid is no fact to decide on; decisions about a thousand helpers are one."""
    caller = Caller(
        uid=1,
        gid=1,
        pid=99,
        handle="peerpidfd",
        executable=Executable(path="/usr/bin/curl"),
        agent=Process(pid=5, start_time=6, name="make"),
        harness="claude",
        relay="ssh",
        ancestry_complete=True,
        door="gce:9911",
    )
    facts = msgspec.to_builtins(caller_facts(caller, owner_uid=1, allow_uids=frozenset()))

    assert (facts["executable"], facts["program"]) == ("/usr/bin/curl", "curl")
    assert (facts["agent"], facts["harness"], facts["attested"]) == ("make", "claude", True)
    assert facts["relay"] == "ssh"
    assert facts["door"] == "gce"
    assert 99 not in facts.values()


def test_names_with_quotes_and_newlines_stay_names() -> None:
    """Entities are values, not text."""
    assert entity("Credential", 'a"\n', {})["uid"] == {"type": "Credential", "id": 'a"\n'}
