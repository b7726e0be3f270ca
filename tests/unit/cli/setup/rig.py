"""A home with our helper in it, a credential for each tool, and what is left of it all."""

from __future__ import annotations

from pathlib import Path

import pytest

__all__ = ["CONFIG", "ENDPOINTS", "HELPER", "helper_in", "tree"]

HELPER = "bin/credward-helper"
CONFIG = """\
[credentials.bedrock]
provider = "aws"
profile = "source"
region = "eu-central-1"

[credentials.plain]
provider = "aws"
profile = "source"

[credentials.short]
provider = "aws"
profile = "source"
region = "us-east-1"
derive = "bedrock-api-key"

[credentials.vertex]
provider = "gcp"
project = "p-1"
region = "europe-west1"

[credentials.foundry]
provider = "entra"
source = "az"
resource = "my-res"

[credentials.arm]
provider = "entra"
source = "az"
scope = "https://management.azure.com/.default"

[credentials.key]
provider = "anthropic"
api_key = { store = "k" }

[credentials.claude]
provider = "anthropic"
profile = "work"

[credentials.gateway]
provider = "static"
secret = { store = "litellm" }
base_url = "https://llm.example.com"
"""
ENDPOINTS = """
[[endpoints]]
door = "gce"
credential = "vertex"
port = 9922

[[endpoints]]
door = "aws-container"
credential = "bedrock"
port = 9923

[[endpoints]]
door = "azure-app-service"
credential = "foundry"
port = 9924

[[endpoints]]
door = "azure-imds"
credentials = ["arm", "foundry"]
port = 9925
"""


def helper_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a helper beside the interpreter that *home* has, and return its path."""
    helper = home / HELPER
    helper.parent.mkdir(exist_ok=True)
    helper.write_bytes(b"\x7fELF")
    helper.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(helper.with_name("python3")))
    return helper


def tree(home: Path) -> dict[str, bytes | None]:
    """Return everything below *home* but what is ours: None for a directory."""
    return {
        str(each.relative_to(home)): each.read_bytes() if each.is_file() else None
        for each in home.rglob("*")
        if not each.is_relative_to(home / "state")
    }
