"""A daemon whose idle workers leave early: `hasty_serve.py SECONDS serve …`.

How long a worker stays is no setting; a test that wants to see the last one go need not wait for it.
"""

from __future__ import annotations

import sys

from credward.workers.pool import WorkerPool

assert WorkerPool.__init__.__kwdefaults__ is not None
WorkerPool.__init__.__kwdefaults__["idle_after"] = float(sys.argv.pop(1))

from credward.cli.main import main  # noqa: E402 - the default comes first

main()
