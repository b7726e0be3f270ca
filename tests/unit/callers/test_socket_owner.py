"""The process behind a socket, if it is one and only one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from credward.callers.socket_owner import SocketHolder, find_holder, holds

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def inode_of(client: socket.socket) -> int:
    return os.fstat(client.fileno()).st_ino


def test_the_holder_is_found() -> None:
    with socket.socket() as client:
        found = find_holder(inode_of(client), os.geteuid())
        assert found == SocketHolder(pid=os.getpid(), descriptor=client.fileno())
        assert holds(found, inode_of(client))


def test_a_closed_socket_is_held_by_nobody() -> None:
    with socket.socket() as client:
        inode = inode_of(client)
        found = find_holder(inode, os.geteuid())
    assert found is not None
    assert not holds(found, inode)
    assert find_holder(inode, os.geteuid()) is None


def test_what_two_processes_hold_belongs_to_nobody() -> None:
    """Either could have written on it."""
    with socket.socket() as client:
        command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
        with subprocess.Popen(
            command,
            pass_fds=[client.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdin is not None
            assert other.stdout is not None
            other.stdout.readline()
            shared = find_holder(inode_of(client), os.geteuid())
            other.stdin.close()
        assert shared is None
        assert find_holder(inode_of(client), os.geteuid()) is not None


def test_processes_of_other_users_do_not_count() -> None:
    with socket.socket() as client:
        assert find_holder(inode_of(client), os.geteuid() + 1) is None
