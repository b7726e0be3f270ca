"""Look at new callers, one after another, and say how long each look took: open, identify, close.

`looks.py SOCKET COUNT`; prints one line when it listens and then microseconds as JSON. Which source
tree looks, this one or an earlier one, is for PYTHONPATH to say.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from typing import Any

from credward.callers import identify


def _identifier() -> Any:
    if hasattr(identify, "peer_identifier"):
        return identify.peer_identifier(own_uid=os.geteuid(), user_mode=True)
    return identify.PeerIdentifier(own_uid=os.geteuid())  # type: ignore[call-arg, misc]


def main(path: str, count: int) -> None:
    """Look at so many."""
    identifier, times, seen = _identifier(), [], 0
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)
        for _ in range(count):
            connected, _ = listener.accept()
            with connected:
                began = time.perf_counter()
                peer = identifier.open(connected)
                seen += peer.identify().attested
                peer.close()
                times.append((time.perf_counter() - began) * 1e6)
    if seen != count:
        raise RuntimeError(f"{count - seen} of {count} callers were not attested")
    print(json.dumps(sorted(times)))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
