"""The doors on loopback by their names. Light: the command line reads it before it starts another.

The words of the configuration, and of `credward run --with NAME=DOOR`.
"""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["DOORS", "WITH_SECRET", "DoorKind"]

DoorKind = Literal["aws-container", "aws-imds", "gce", "azure-app-service", "azure-imds", "http"]

DOORS: tuple[DoorKind, ...] = get_args(DoorKind)
# Those whose protocol has a place for a secret.
WITH_SECRET: frozenset[DoorKind] = frozenset({"aws-container", "azure-app-service", "http"})
