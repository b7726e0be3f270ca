"""TOML and environment into one frozen `Config`; the only reader of the process environment."""

from credward.config.load import load_config
from credward.config.model import (
    AuditConfig,
    Config,
    CredentialConfig,
    EndpointConfig,
    ListenConfig,
    PolicyConfig,
    SinkConfig,
    SinkFormat,
    StoreConfig,
)
from credward.paths import Paths, candidate_sockets, environment, find_paths

__all__ = [
    "AuditConfig",
    "Config",
    "CredentialConfig",
    "EndpointConfig",
    "ListenConfig",
    "Paths",
    "PolicyConfig",
    "SinkConfig",
    "SinkFormat",
    "StoreConfig",
    "candidate_sockets",
    "environment",
    "find_paths",
    "load_config",
]
