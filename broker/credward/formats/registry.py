"""The formats by name, and `shape`, which picks one.

A new format is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from credward.errors import BrokerError, Kind
from credward.formats.env import shape_env
from credward.formats.headers import shape_headers
from credward.formats.json_record import shape_json
from credward.formats.plain_token import shape_token
from credward.formats.shape import Format, Shaped, ShapeRequest
from credward.guess import guess
from credward.tokens import Token

__all__ = ["FORMATS", "ShapeRequest", "Shaped", "check_format", "shape"]

FORMATS: Mapping[str, Format] = MappingProxyType(
    {"token": shape_token, "json": shape_json, "headers": shape_headers, "env": shape_env}
)


def check_format(name: str) -> Format:
    """Return the format called *name*; raises `bad-request` naming the known ones."""
    found = FORMATS.get(name)
    if found is None:
        near = guess(name, FORMATS, listed=True)
        raise BrokerError(Kind.BAD_REQUEST, f'no format "{name[:64]}"{near}')
    return found


def shape(name: str, token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return *token* in the format called *name*."""
    return check_format(name)(token, shape_request)
