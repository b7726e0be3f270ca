"""A program that asks a keychain worker once, as the daemon does, and prints what came of it.

`python keychain_asker.py BROKER SERVICE ACCOUNT create|read DEADLINE`: run inside the session whose
keychain is meant.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time


async def _ask(service: str, account: str, create: bool, deadline: float) -> dict[str, object]:
    from credward.clock import SystemClock
    from credward.errors import BrokerError
    from credward.workers.link import MintRequest
    from credward.workers.pool import WorkerPool

    pool = WorkerPool(clock=SystemClock(), environ=os.environ)
    mint_request = MintRequest(
        credential="store",
        settings={"service": service, "account": account, "create": create},
        now=SystemClock().now(),
    )
    started = time.monotonic()
    try:
        minted = await pool.mint("keychain", mint_request, deadline=deadline)
        answer: dict[str, object] = {"text": minted.body.decode(), "kind": minted.kind}
    except BrokerError as failure:
        answer = {"failure": failure.kind.slug, "message": failure.message}
    finally:
        await pool.close()
    return answer | {"seconds": time.monotonic() - started}


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    print(
        json.dumps(asyncio.run(_ask(*sys.argv[2:4], sys.argv[4] == "create", float(sys.argv[5]))))
    )
