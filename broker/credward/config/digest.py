"""A digest of a configuration, to see whether it is the same as another one.

It covers what the files mean, not how they are written: a comment changes nothing.
"""

from __future__ import annotations

import hashlib

import msgspec

from credward.config.model import Config

__all__ = ["digest_of"]


def digest_of(config: Config) -> str:
    """Return 16 hex digits that change with every setting, of credentials and of the daemon."""
    credentials = {
        # Without the line where it is written.
        name: msgspec.structs.replace(each, origin="")
        for name, each in config.credentials.items()
    }
    words = [
        config.default,
        credentials,
        config.listen,
        config.policy,
        config.audit,
        config.store,
        config.notify,
        config.network,
    ]
    # The hook is for paths.
    encoded = msgspec.json.encode(words, order="sorted", enc_hook=str)
    return hashlib.sha256(encoded).hexdigest()[:16]
