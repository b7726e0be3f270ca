"""The daemon loads no vendor SDK and no provider: what dials is not in it; `import credward` loads nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from repository.tree import BROKER

FORBIDDEN = [
    "boto3", "botocore", "msal", "google.auth", "hvac", "keyring", "oauthlib",
    "requests", "urllib3", "jwt", "grpc", "spiffe", "credward.workers.main", "credward.providers.command",
]  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Return the modules that a new interpreter has after this *code*."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(BROKER.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "module", ["credward.daemon.compose", "credward.daemon.run", "credward.cli.main"]
)
def test_no_sdk_is_loaded(module: str) -> None:
    """Importing the whole of it brings none of them."""
    loaded = loaded_by(f"import {module}")

    assert [name for name in FORBIDDEN if name in loaded] == []


def test_a_program_that_imports_credward_loads_nothing_else() -> None:
    """Programs pay for an SDK when they ask for what fits it: there is nothing to be slow."""
    assert loaded_by("import credward") - loaded_by("pass") == {"__future__", "credward"}


@pytest.mark.parametrize(
    ("call", "sdks"),
    [
        ("token_provider", set()),
        ("async_token_provider", set()),
        ("credentials", {"anthropic"}),
        ("aws_session", {"boto3", "botocore"}),
        ("google_credentials", {"google"}),
    ],
)
def test_a_program_loads_the_sdk_that_it_has_something_for(call: str, sdks: set[str]) -> None:
    """And no other."""
    loaded = loaded_by(f"import credward; credward.{call}('gateway')")
    known = {"anthropic", "boto3", "botocore", "google", "hvac", "msal", "oauthlib", "keyring"}

    assert {name.partition(".")[0] for name in loaded} & known == sdks
