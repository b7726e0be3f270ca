"""The formats by name, and `shape`, which picks one.

A new format is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from credward.errors import BrokerError, Kind
from credward.formats import aws_keys, gcp_executable
from credward.formats.env import shape_env
from credward.formats.headers import merge_headers, shape_headers
from credward.formats.json_record import shape_json
from credward.formats.plain_token import shape_token
from credward.formats.shape import Format, Shaped, ShapeRequest
from credward.guess import guess
from credward.tokens import Token

__all__ = [
    "FORMATS",
    "ShapeRequest",
    "Shaped",
    "check_format",
    "check_merging",
    "least_remaining",
    "merge",
    "shape",
]

FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "token": shape_token,
        "json": shape_json,
        "headers": shape_headers,
        "env": shape_env,
        "aws-process": aws_keys.shape_process,
        "aws-export": aws_keys.shape_export,
        "gcp-executable": gcp_executable.shape_executable,
    }
)
_MERGING: Mapping[str, Callable[[Sequence[tuple[Token, ShapeRequest]]], Shaped]] = MappingProxyType(
    {"headers": merge_headers}
)
_LEAST_REMAINING: Mapping[str, float] = MappingProxyType(
    {
        "aws-process": aws_keys.MIN_REMAINING,
        "aws-export": aws_keys.MIN_REMAINING,
        "gcp-executable": gcp_executable.MIN_REMAINING,
    }
)


def check_format(name: str) -> Format:
    """Return the format called *name*; raises `bad-request` naming the known ones."""
    found = FORMATS.get(name)
    if found is None:
        near = guess(name, FORMATS, listed=True)
        raise BrokerError(Kind.BAD_REQUEST, f'no format "{name[:64]}"{near}')
    return found


def check_merging(name: str) -> None:
    """Raise `bad-request` unless the format called *name* takes several credentials."""
    check_format(name)
    if name not in _MERGING:
        raise BrokerError(
            Kind.BAD_REQUEST,
            f'format "{name}" is for one credential: name one, '
            f"or use --format {' or '.join(_MERGING)}",
        )


def least_remaining(name: str) -> float:
    """Return the life that a token in this format should have left (seconds), if not told."""
    return _LEAST_REMAINING.get(name, 0.0)


def shape(name: str, token: Token, shape_request: ShapeRequest) -> Shaped:
    """Return *token* in the format called *name*."""
    return check_format(name)(token, shape_request)


def merge(name: str, parts: Sequence[tuple[Token, ShapeRequest]]) -> Shaped:
    """Return several tokens in the format called *name*."""
    check_merging(name)
    return _MERGING[name](parts)
