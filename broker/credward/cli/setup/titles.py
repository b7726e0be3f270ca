"""What people call the tools that `setup` knows, for commands that only name one."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TITLES"]

TITLES: Mapping[str, str] = {
    "claude-code": "Claude Code",
    "aws": "AWS",
    "gcp": "Google's SDKs",
    "azure": "Azure's SDKs",
    "anthropic-sdk": "Anthropic's SDKs",
    "ant": "ant",
}
