"""The kinds of sinks by format; a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from credward.config import SinkConfig, SinkFormat
from credward.sinks.anthropic_profile import AnthropicProfile
from credward.sinks.aws_credentials import AwsCredentials
from credward.sinks.plain_file import PlainFile
from credward.sinks.sink import Sink

__all__ = ["make_sink"]

_KINDS: Mapping[SinkFormat, Callable[[SinkConfig], Sink]] = {
    "token": PlainFile,
    "env": PlainFile,
    "json": PlainFile,
    "aws-credentials": AwsCredentials,
    "anthropic-profile": AnthropicProfile,
}


def make_sink(config: SinkConfig) -> Sink:
    """Return the sink of *config*; nothing is opened yet."""
    return _KINDS[config.format](config)
