"""A daemon whose idle workers leave early: `hasty_serve.py SECONDS serve …`.

How long a worker stays is no setting; a test that wants to see the last one go need not wait for it.
"""

from __future__ import annotations

import sys

from credward.workers.pool import PoolLimits

_defaults = PoolLimits.__init__.__kwdefaults__
assert _defaults is not None
assert "idle_after" in _defaults
_defaults["idle_after"] = float(sys.argv.pop(1))

from credward.cli.main import main  # noqa: E402 - the default comes first

main()
