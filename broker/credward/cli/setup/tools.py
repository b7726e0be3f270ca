"""The tools that `setup` knows beside Claude Code."""

from __future__ import annotations

from credward.cli.setup.ant import ANT
from credward.cli.setup.anthropic_sdk import ANTHROPIC_SDK
from credward.cli.setup.aws import AWS
from credward.cli.setup.azure import AZURE
from credward.cli.setup.gcp import GCP

__all__ = ["TOOLS"]

TOOLS = (AWS, GCP, AZURE, ANTHROPIC_SDK, ANT)
