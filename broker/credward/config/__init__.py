"""TOML and environment into one frozen `Config`; the only reader of the process environment."""

from credward.config.layers import ConfigErrors
from credward.config.load import load_config
from credward.config.model import (
    AuditConfig,
    Config,
    CredentialConfig,
    ListenConfig,
    PolicyConfig,
    StoreConfig,
)
from credward.paths import Places, candidate_sockets, environment, find_places

__all__ = [
    "AuditConfig",
    "Config",
    "ConfigErrors",
    "CredentialConfig",
    "ListenConfig",
    "Places",
    "PolicyConfig",
    "StoreConfig",
    "candidate_sockets",
    "environment",
    "find_places",
    "load_config",
]
