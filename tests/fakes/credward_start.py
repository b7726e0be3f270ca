"""Stands in for `credward start` beside a helper: notes how it was run, then says, serves, fails or hangs.

Run as a program; what it is to do and where it notes things is in a file `start.json` beside it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

HERE = Path(sys.argv[0]).resolve().parent
PLAN = json.loads((HERE / "start.json").read_text())
sys.path.insert(0, PLAN["tests"])


def main() -> int:
    """Do as planned."""
    note = {
        "arguments": sys.argv[1:],
        "environment": dict(os.environ),
        "descriptors": {number: os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)},
        "highest": max(number for number in range(256) if _is_open(number)),
        "leads_session": os.getsid(0) == os.getpid(),
        "directory": os.getcwd(),
    }
    with (HERE / "starts").open("a") as starts:
        starts.write(json.dumps(note) + "\n")
    time.sleep(PLAN.get("delay", 0))
    if PLAN.get("serve"):
        _serve(Path(PLAN["serve"]))
    os.write(2 if PLAN.get("exit") else 1, PLAN.get("say", "").encode())
    if PLAN.get("signal"):
        os.kill(os.getpid(), getattr(signal, PLAN["signal"]))
    return int(PLAN.get("exit", 0))


def _serve(path: Path) -> None:
    """Return once a child listens at *path*; the child ends when the plan's file is gone, or after a minute."""
    from fakes.daemon import CannedDaemon, answer

    read_end, write_end = os.pipe()
    if os.fork():
        os.read(read_end, 1)
        return
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    with CannedDaemon(path, [answer(200, b"started\n")]):
        os.write(write_end, b"+")
        for _ in range(600):
            if not (HERE / "start.json").exists():
                break
            time.sleep(0.1)
    os._exit(0)


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


sys.exit(main())
