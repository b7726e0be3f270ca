"""Text of others with everything masked that may be a secret, for a line that an owner will read.

Rather masks too much: a name of a project with a long number in it is gone too. What nobody should
read at all does not come here; our own secrets are `tokens.Secret`, which never prints.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["MASK", "is_secret_name", "last_line", "masked", "masked_members"]

MASK = "***"
_NAMES = (
    r"pass(?:word|phrase|wd)?|secret|token|key|authorization|credential|cookie|assertion|pin"
    r"|pwd|\b(?:pw|sig|auth)\b"
)
# `password=…`, `"api_key": "…"`, `Authorization: Bearer …`.
_MARKED = re.compile(
    rf"((?:{_NAMES})s?[\"']?\s*[=:]\s*[\"']?(?:(?:bearer|basic|token)\s+)?|--(?:password|token|secret|api-key)\s+|\b(?:bearer|basic)\s+)"
    r"([^\s\"',;]+)",
    re.IGNORECASE,
)
_SECRET_NAME = re.compile(rf"{_NAMES}|headers", re.IGNORECASE)
# Names with such an end hold a place, a number or a command, which people need to see.
_HARMLESS_NAME = re.compile(r"(?:helper|ttl_ms|tokens|_url|_file|_path|_ref)$", re.IGNORECASE)
# `"name": "value"` of JSON, `name = "value"` of TOML, also without quotes.
_MEMBER = re.compile(
    r"""(?P<name>[\w.-]+)(?P<between>["']?\s*[:=]\s*)"""
    r"""(?P<value>"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s"',{}\[\]]+)"""
)
_SCHEME = re.compile(r"\b((?:bearer|basic)\s+)[^\s\"',;]+", re.IGNORECASE)
# User and password, and what a server was told, in an address.
_USER_INFO = re.compile(r"://[^/\s@]+@")
_QUERY = re.compile(r"(https?://[^\s?#]+[?#])\S+")
_RUN = re.compile(r"[A-Za-z0-9+/=_~.%-]{12,}")
_PARTS, _PIECES = re.compile(r"[/.~%]"), re.compile(r"[=_+-]")
# Lengths from which on letters with digits, letters of both cases, and letters alone look random,
# and how short the words in a name are if it is none.
_MIXED, _BOTH_CASES, _LETTERS, _WORD = 12, 16, 32, 3.5
_CAMEL_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\].*?(?:\x07|\x1b\\)")
# Characters of a line; longer ones are cut.
_LONGEST = 300


def masked(text: str, hidden: Iterable[str] = ()) -> str:
    """Return *text* with a mask for each word of *hidden*, and for all that looks like a secret."""
    for word in sorted(set(hidden), key=len, reverse=True):
        text = text.replace(word, MASK)
    text = _USER_INFO.sub(f"://{MASK}@", text)
    text = _QUERY.sub(rf"\1{MASK}", text)
    text = _MARKED.sub(rf"\1{MASK}", text)
    return _RUN.sub(_mask_run, text)


def masked_members(text: str, mask: str = MASK) -> str:
    """Return lines of a configuration with a *mask* for each value whose name is a secret's.

    Also for what follows Bearer or Basic, and for user and password in an address.
    """

    def hide(found: re.Match[str]) -> str:
        name, value = found["name"], found["value"]
        if not is_secret_name(name) or _HARMLESS_NAME.search(name):
            return found[0]
        quote = value[0] if value[0] in "\"'" else ""
        return f"{name}{found['between']}{quote}{mask}{quote}"

    text = _USER_INFO.sub(f"://{mask}@", text)
    return _SCHEME.sub(rf"\g<1>{mask}", _MEMBER.sub(hide, text))


def is_secret_name(name: str) -> bool:
    """Return whether what has this name may be a secret."""
    return _SECRET_NAME.search(name) is not None


def last_line(text: str, hidden: Iterable[str] = ()) -> str:
    """Return the last line of *text* that says something, masked, without colours, and cut."""
    lines = [_ESCAPE.sub("", line).strip() for line in text.replace("\r", "\n").split("\n")]
    found = next((line for line in reversed(lines) if line), "")
    shown = "".join(each if each.isprintable() else " " for each in found).strip()
    # Cut last: half a secret would not be recognised.
    shown = masked(shown, hidden)
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"


def _mask_run(found: re.Match[str]) -> str:
    """Return a run of the characters of a token as it is, if no part of it looks like one."""
    return MASK if any(_looks_random(part) for part in _PARTS.split(found[0])) else found[0]


def _looks_random(part: str) -> bool:
    pieces = _PIECES.split(part)
    if any(_is_mixed(piece) or len(piece) >= _LETTERS for piece in pieces):
        return True
    whole = "".join(pieces)
    if len(whole) < _BOTH_CASES or whole.islower() or whole.isupper():
        return False
    words = _CAMEL_WORD.findall(whole)
    return _is_mixed(whole) or sum(map(len, words)) < _WORD * len(words)


def _is_mixed(piece: str) -> bool:
    return len(piece) >= _MIXED and not piece.isalpha() and not piece.isdecimal()
