"""The service manager and a waiting parent learn that the daemon is ready."""

import os
import socket
import tempfile
from pathlib import Path

from credward.daemon.notify import Notifier


def test_ready_reloading_and_stopping_reach_the_service_manager() -> None:
    """sd_notify(3): datagrams of NAME=value lines to the address in NOTIFY_SOCKET."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        address = str(Path(folder) / "n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            notifier = Notifier(address)
            notifier.ready("serving")
            notifier.reloading(12)
            notifier.stopping()

            received = [manager.recv(200) for _ in range(3)]

    assert received == [
        b"READY=1\nSTATUS=serving",
        b"RELOADING=1\nMONOTONIC_USEC=12",
        b"STOPPING=1",
    ]


def test_the_waiting_parent_gets_one_byte_once() -> None:
    """The parent that detached us reads `+` and then the end of the pipe."""
    read_end, write_end = os.pipe()
    notifier = Notifier(None, write_end)
    notifier.ready("serving")
    notifier.ready("reloaded")

    assert os.read(read_end, 10) == b"+"
    assert os.read(read_end, 10) == b""
    os.close(read_end)


def test_a_missing_service_manager_is_no_error() -> None:
    """A stale NOTIFY_SOCKET must not stop the daemon."""
    notifier = Notifier("/nonexistent/notify")
    notifier.ready("serving")

    assert notifier is not None
