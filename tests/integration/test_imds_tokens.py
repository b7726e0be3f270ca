"""N8: the tokens of the AWS metadata service cost the daemon nothing, however many are asked for."""

from __future__ import annotations

import http.client
from pathlib import Path

from integration.daemon import DaemonFactory, RunningDaemon
from integration.endpoints import CLIENTS, block, keys, port_of
from integration.minting import MintProgram

ASKED_AT_ONCE, MANY = 500, 5000
# Five hundred tokens are some 60 kB; what grows by less than this for five thousand keeps none (bytes).
SLACK = 400_000


def test_n8_tokens_are_neither_kept_nor_logged(
    start_daemon: DaemonFactory, program: MintProgram
) -> None:
    """Each proves itself: memory does not grow with them, and no log holds one."""
    daemon = start_daemon(keys(program) + block("aws-imds", "given"))
    given = sessions(daemon, ASKED_AT_ONCE)
    before = private_bytes(daemon.pid)
    given += sessions(daemon, MANY)
    grown = private_bytes(daemon.pid) - before
    header = {"x-aws-ec2-metadata-token": given[0]}
    first = CLIENTS["aws-imds"].asks(daemon, without="x-aws-ec2-metadata-token", **header)
    logs = daemon.log() + (daemon.state_dir / "audit.log").read_text()

    assert len(set(given)) == ASKED_AT_ONCE + MANY
    assert first.status == 200, first.body
    assert grown < SLACK
    assert [token for token in given if token in logs] == []


def sessions(daemon: RunningDaemon, count: int) -> list[str]:
    """Return so many tokens, asked for on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port_of(daemon, "aws-imds"), timeout=60)
    found = []
    for _ in range(count):
        headers = {"x-aws-ec2-metadata-token-ttl-seconds": "21600"}
        connection.request("PUT", "/latest/api/token", headers=headers)
        found.append(connection.getresponse().read().decode())
    connection.close()
    return found


def private_bytes(pid: int) -> int:
    """Return what the process has in memory that it does not share with a file (proc_pid_statm(5))."""
    resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
    return (int(resident) - int(shared)) * 4096
