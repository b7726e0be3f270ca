"""The daemon as a caller: its own process, and nothing claimed about who reads what it writes."""

from __future__ import annotations

import os
import sys

import pytest

from credward.callers.askers import asker_of
from credward.callers.own import OwnPeer
from credward.policy.entities import caller_facts


async def test_it_is_this_process() -> None:
    peer = OwnPeer("file")
    caller = peer.identify()

    assert (caller.uid, caller.gid, caller.pid) == (os.geteuid(), os.getegid(), os.getpid())
    assert (caller.handle, caller.door) == ("self", "file")
    assert caller.is_daemon
    assert await peer.identify_closely() == caller


@pytest.mark.skipif(sys.platform != "linux", reason="other systems attest no program")
def test_its_program_is_attested_and_its_ancestors_say_nothing() -> None:
    """Who reads a file is unknown, so a rule that rules out agents must not permit it."""
    facts = caller_facts(OwnPeer("file").identify(), owner_uid=os.geteuid(), allow_uids=frozenset())

    assert facts.executable == os.path.realpath("/proc/self/exe")
    assert (facts.attested, facts.is_owner, facts.door) == (True, True, "file")
    assert (facts.ancestry_complete, facts.harness, facts.relay) == (False, None, None)


def test_people_read_of_a_file() -> None:
    assert asker_of(OwnPeer("file").identify()).name == "a file"
