"""R3 and R4 with the whole daemon: clients that idle, drip or never read cost the others nothing."""

from __future__ import annotations

import contextlib
import socket
import statistics
import threading
import time
from pathlib import Path

import pytest

from integration.daemon import DaemonFactory, RunningDaemon
from integration.minting import MintProgram
from memory_scan import private_kib
from waiting import PATIENCE


@pytest.fixture
def daemon(start_daemon: DaemonFactory, tmp_path: Path) -> RunningDaemon:
    daemon = start_daemon(MintProgram(tmp_path / "upstream").block("gateway"))
    daemon.get("gateway")
    return daemon


def connect(daemon: RunningDaemon) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(daemon.socket))
    client.setblocking(False)
    return client


def p99(daemon: RunningDaemon, rounds: int = 300) -> float:
    """Return the time that 99 of 100 answers took no longer than, in the quietest of four attempts."""
    quietest = 1e9
    for _ in range(4):
        took = []
        for _ in range(rounds):
            began = time.perf_counter()
            assert daemon.get("gateway").status == 200
            took.append(time.perf_counter() - began)
        quietest = min(quietest, statistics.quantiles(took, n=100)[-1])
    return quietest


def drip(clients: list[socket.socket], until: threading.Event) -> None:
    """Send a byte of the head now and then, on each of them, as long as the daemon takes it."""
    while not until.wait(0.2):
        for client in clients:
            with contextlib.suppress(OSError):
                client.send(b"e")


def test_r3_idle_and_dripping_clients_leave_the_others_alone(daemon: RunningDaemon) -> None:
    """R3: with a hundred bad clients an answer takes what it takes without; the idle ones are closed."""
    alone = p99(daemon)
    idle = [connect(daemon) for _ in range(60)]
    dripping = [connect(daemon) for _ in range(40)]
    for client in dripping:
        client.send(b"GET /v1/cred")
    over = threading.Event()
    dripper = threading.Thread(target=drip, args=(dripping, over))
    dripper.start()
    try:
        beside = p99(daemon)
    finally:
        over.set()
        dripper.join()

    # Of the same order: behind one that drips each would wait for seconds.
    assert beside < max(5 * alone, 0.1)
    for client in idle + dripping:
        # Closed by the daemon, a few seconds later.
        client.settimeout(PATIENCE)
        try:
            while client.recv(4096):
                pass
        except ConnectionResetError:
            pass
        client.close()
    assert daemon.get("gateway").status == 200


def test_r4_clients_that_never_read_are_cut_off_and_memory_stays(daemon: RunningDaemon) -> None:
    """R4: pipelining without reading fills a bounded buffer, then the connection ends."""
    before = private_kib(daemon.pid)
    request = b"GET /v1/credentials HTTP/1.1\r\nHost: credward\r\n\r\n"
    deaf = [connect(daemon) for _ in range(20)]
    for client in deaf:
        try:
            for _ in range(5000):
                client.send(request * 10)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            pass
    during = private_kib(daemon.pid)
    served = daemon.get("gateway").status
    for client in deaf:
        client.close()

    assert served == 200
    assert during - before < 16 * 1024
