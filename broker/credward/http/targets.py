"""The request target into a decoded path and query, each with exactly one meaning.

The routes know which paths exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from credward.http.messages import RefusedRequest

__all__ = ["read_target"]

_NO_QUERY: Mapping[str, str] = MappingProxyType({})
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def read_target(target: bytes) -> tuple[str, Mapping[str, str]]:
    """Return path and query of an origin-form target, percent-escapes decoded once.

    Absolute and authority forms, a fragment and a repeated name are refused. An escaped slash never
    becomes a separator, because the path is split first.
    """
    try:
        text = target.decode("ascii")
    except UnicodeDecodeError as error:
        raise RefusedRequest(400, "request target is not ASCII") from error
    if not text.startswith("/") or "#" in text:
        raise RefusedRequest(400, "request target is not a path: it must begin with one slash")
    path, mark, query = text.partition("?")
    if "%" in path:
        path = "/".join([_segment(each) for each in path.split("/")])
    return path, _read_query(query) if mark else _NO_QUERY


def _segment(raw: str) -> str:
    text = _unescape(raw, "path")
    if "/" in text or "%" in text:
        raise RefusedRequest(404, "no such path: a name holds no slash and no escape")
    return text


def _read_query(raw: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for pair in raw.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name = _unescape(name.replace("+", " "), "query")
            value = _unescape(value.replace("+", " "), "query")
        if name in query:
            raise RefusedRequest(400, "query holds a parameter twice")
        query[name] = value
    return query


def _unescape(raw: str, where: str) -> str:
    if "%" not in raw:
        return raw
    if _BAD_ESCAPE.search(raw):
        raise RefusedRequest(400, f"{where} holds a broken percent-escape")
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError as error:
        raise RefusedRequest(400, f"{where} is not UTF-8") from error
    if _CONTROL.search(text):
        raise RefusedRequest(400, f"{where} holds a control character")
    return text
