"""What opens peers on this system."""

import os
import socket
import sys

import pytest

from credward.callers.identify import peer_identifier, process_table
from credward.callers.linux_peer import LinuxIdentifier
from credward.callers.looking import Looker


@pytest.mark.skipif(sys.platform != "linux", reason="chooses what Linux has")
def test_linux_has_its_own() -> None:
    """Ourselves at the other end of a pair, attested."""
    identifier = peer_identifier(own_uid=os.geteuid(), user_mode=True, looker=Looker())
    left, right = socket.socketpair()
    with left, right:
        peer = identifier.open(left)
        caller = peer.identify()
        peer.close()

    assert isinstance(identifier, LinuxIdentifier)
    assert (caller.pid, caller.attested) == (os.getpid(), True)
    identifier.close()


@pytest.mark.skipif(sys.platform != "linux", reason="chooses what Linux has")
def test_s14_the_processes_of_this_system() -> None:
    """Ourselves, below whoever started us."""
    found = process_table().stat(os.getpid())

    assert found is not None
    assert found.parent == os.getppid()
