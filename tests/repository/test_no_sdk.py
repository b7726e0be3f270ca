"""The daemon loads no vendor SDK and no provider: what dials is not in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from repository.tree import BROKER

FORBIDDEN = [
    "boto3", "botocore", "msal", "google.auth", "hvac", "keyring", "oauthlib",
    "requests", "urllib3", "jwt", "credward.workers.main", "credward.providers.command",
]  # fmt: skip


@pytest.mark.parametrize(
    "module", ["credward.daemon.compose", "credward.daemon.run", "credward.cli.main"]
)
def test_no_sdk_is_loaded(module: str) -> None:
    """Importing the whole of it brings none of them."""
    code = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(BROKER.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))

    assert [name for name in FORBIDDEN if name in loaded] == []
