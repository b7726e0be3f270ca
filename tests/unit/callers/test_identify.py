"""What opens peers on this system."""

import os
import socket
import sys

import pytest

from credward.callers.identify import peer_identifier
from credward.callers.linux_peer import LinuxIdentifier


@pytest.mark.skipif(sys.platform != "linux", reason="chooses what Linux has")
def test_linux_has_its_own() -> None:
    """Ourselves at the other end of a pair, attested."""
    identifier = peer_identifier(own_uid=os.geteuid(), user_mode=True)
    left, right = socket.socketpair()
    with left, right:
        peer = identifier.open(left)
        caller = peer.identify()
        peer.close()

    assert isinstance(identifier, LinuxIdentifier)
    assert (caller.pid, caller.attested) == (os.getpid(), True)
    identifier.close()
