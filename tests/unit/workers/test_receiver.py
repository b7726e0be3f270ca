"""What the daemon hears of a worker, byte by byte."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from canaries import canary
from credward.workers.link import MAX_LINE, Hello, MintedToken
from credward.workers.receiver import AnswerReceiver, LinkBrokenError
from memory_scan import count_in_memory

HELLO = b'{"type":"hello","version":"1","provider":"p"}\n'
MINTED = b'{"type":"minted","token":"the-token","kind":"bearer","issued_at":1,"expires_at":2}\n'


class Ear:
    """A receiver fed by hand."""

    def __init__(self) -> None:
        self.breaks = 0
        self.receiver = AnswerReceiver(self._count)

    def _count(self) -> None:
        self.breaks += 1

    def hear(self, data: bytes) -> None:
        while data:
            buffer = self.receiver.get_buffer(-1)
            size = min(len(buffer), len(data))
            assert size > 0
            buffer[:size] = data[:size]
            self.receiver.buffer_updated(size)
            data = data[size:]


async def test_a_line_in_pieces_is_one_answer():
    """Whatever way the kernel cuts it."""
    ear = Ear()
    expected = ear.receiver.expect()
    for at in range(len(HELLO)):
        ear.hear(HELLO[at : at + 1])

    assert await expected == Hello(version="1", provider="p")
    assert ear.breaks == 0


async def test_the_buffer_is_wiped_behind_the_token():
    """The one copy is the body that the receiver of the token wipes."""
    ear = Ear()
    expected = ear.receiver.expect()
    ear.hear(MINTED)
    minted = await expected

    assert isinstance(minted, MintedToken)
    assert bytes(minted.body) == b"the-token"
    assert set(ear.receiver.get_buffer(-1)) == {0}
    assert len(ear.receiver.get_buffer(-1)) == MAX_LINE


@pytest.mark.parametrize(
    "said",
    [
        b"garbage\n",
        b"\n",
        MINTED + b"x",
        MINTED + MINTED,
        b"x" * MAX_LINE,
        MINTED.replace(b"the-token", b"the\\ntoken"),
        MINTED.replace(b"the-token", "tökén".encode()),
        MINTED.replace(b'"the-token"', b"null"),
        MINTED.replace(b'"bearer"', b'"cookie"'),
        MINTED.replace(b":2}", b":NaN}"),
    ],
)
async def test_what_no_worker_says_breaks_the_link(said):
    """The worker behind it is not trusted with another mint; its words are not repeated."""
    ear = Ear()
    expected = ear.receiver.expect()
    ear.hear(said)

    with pytest.raises(LinkBrokenError) as caught:
        await expected
    assert "token" not in str(caught.value)
    assert ear.breaks == 1
    assert set(ear.receiver.get_buffer(-1)) == {0}


async def test_an_answer_that_nobody_waits_for_breaks_the_link():
    """Else it would be taken for the answer to the next question."""
    ear = Ear()
    ear.hear(HELLO)
    assert ear.breaks == 1

    with pytest.raises(LinkBrokenError):
        await ear.receiver.expect()


async def test_an_answer_that_comes_too_late_breaks_the_link():
    """The waiter's deadline has passed; the token is wiped, not kept for somebody else."""
    ear = Ear()
    ear.receiver.expect().cancel()
    ear.hear(MINTED)

    assert ear.breaks == 1


async def test_the_end_fails_what_is_expected_once():
    """At once, by the end of the stream."""
    ear = Ear()
    expected = ear.receiver.expect()
    ear.hear(MINTED[:20])
    ear.receiver.connection_lost(None)
    ear.receiver.connection_lost(None)

    with pytest.raises(LinkBrokenError, match="ended"):
        await expected
    assert ear.breaks == 1
    # Nor is there a buffer that waits for the collector of cycles: many workers come and go.
    assert not ear.receiver.get_buffer(-1)


_DAEMON = """
import asyncio, os, sys
from credward.clock import SystemClock
from credward.workers.link import MintRequest
from credward.workers.pool import WorkerPool
from credward.workers.token_bytes import wipe

async def main():
    pool = WorkerPool(clock=SystemClock(), environ={"HOME": "/"})
    for _ in range(5):
        minted = await pool.mint(
            "static",
            MintRequest(credential="c", settings={"secret": {"file": sys.argv[1]}}, now=1.0),
            deadline=30,
        )
        size = len(minted.body)
        if sys.argv[2] == "wipe":
            wipe(minted.body)
        else:
            globals()["kept"] = minted.body
    print(size, flush=True)
    sys.stdin.readline()
    await pool.close()

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/PID/mem")
def test_h4_no_copy_of_a_token_is_left_after_the_wipe(tmp_path):
    """A scan of the receiving process's writable memory; the control shows that the scan can see."""
    token = canary("heap")
    path = tmp_path / "token"
    path.write_text(token)
    path.chmod(0o600)

    assert _copies_left(path, "keep", token) >= 1
    assert _copies_left(path, "wipe", token) == 0


def _copies_left(path: Path, mode: str, token: str) -> int:
    environ = {"PYTHONPATH": str(Path(__file__).parents[3] / "broker")}
    with subprocess.Popen(
        [sys.executable, "-c", _DAEMON, str(path), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environ,
    ) as daemon:
        assert daemon.stdin is not None
        assert daemon.stdout is not None
        try:
            assert daemon.stdout.readline().strip() == str(len(token)).encode()
            return count_in_memory(daemon.pid, token.encode())
        except PermissionError:
            pytest.skip("the memory of a child process cannot be read here")
        finally:
            daemon.stdin.close()
