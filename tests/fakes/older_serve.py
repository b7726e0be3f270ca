"""A daemon that says it is of another version: `older_serve.py VERSION serve …`."""

from __future__ import annotations

import sys

import credward

credward.__version__ = sys.argv.pop(1)

from credward.cli.main import main  # noqa: E402 - the version comes first

main()
