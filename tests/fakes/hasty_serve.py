"""A daemon whose idle workers leave early: `hasty_serve.py SECONDS serve …`.

How long a worker stays is no setting; a test that wants to see the last one go need not wait for it.
"""

from __future__ import annotations

import sys
from functools import partial

from credward.workers import pool

pool.PoolLimits = partial(pool.PoolLimits, idle_after=float(sys.argv.pop(1)))  # type: ignore[misc, assignment]

from credward.cli.main import main  # noqa: E402 - the default comes first

main()
