"""Names that are values themselves: `{"name": "password", "value": "…"}`, `("password", "…")`."""

from __future__ import annotations

import re

from credward.masking.names import is_secret_name
from credward.masking.strings import QUOTE, Source

__all__ = ["labelled", "paired"]

_NAME = r"\\*[\"']?(?P<name>[\w.-]{1,64})\\*[\"']?"
_IS = r"\\*[\"']?[ \t]{0,40}[:=][ \t]{0,40}"
_NEXT = r"[,;]?[-+{\s]{0,80}\\*[\"']?"
# The name, then the value; in one line or two.
_NAME_FIRST = re.compile(
    rf"(?:name|key|field|header|variable|parameter){_IS}{_NAME}{_NEXT}(?:value|val){_IS}",
    re.IGNORECASE,
)
_VALUE_FIRST = re.compile(rf"(?:value|val){_IS}(?=\\*[\"'])", re.IGNORECASE)
_NAME_AFTER = re.compile(
    rf"{_NEXT}(?:name|key|field|header|variable|parameter){_IS}{_NAME}", re.IGNORECASE
)
_PAIR = re.compile(
    r"\(\s{0,40}[bBrRuU]?\\*[\"'](?P<name>[\w.-]{1,64})\\*[\"']\s{0,40},\s{0,40}[bBrRuU]?"
    r"(?=\\*[\"'])"
)
_PAIR_END = re.compile(r"\s{0,40}(?:,\s{0,40}\w{1,20}\s{0,40})?\)")
_LABELS = frozenset({"name", "key", "field", "header", "variable", "parameter"})
_VALUES = frozenset({"value", "val"})


def labelled(source: Source, word: str, start: int) -> int | None:
    """Return where the value is that *word* at *start* begins to tell of; None if of no secret."""
    if word.lower() in _LABELS:
        found = _NAME_FIRST.match(source.text, start)
        return found.end() if found is not None and is_secret_name(found["name"]) else None
    if word.lower() not in _VALUES:
        return None
    found = _VALUE_FIRST.match(source.text, start)
    if found is None:
        return None
    _, after = source.string(found.end())
    name = _NAME_AFTER.match(source.text, after)
    return found.end() if name is not None and is_secret_name(name["name"]) else None


def paired(source: Source, start: int) -> int | None:
    """Return where the second string of two is, in the bracket at *start*, if it is secret."""
    found = _PAIR.match(source.text, start)
    if found is None or not is_secret_name(found["name"]):
        return None
    assert QUOTE.match(source.text, found.end()) is not None
    _, after = source.string(found.end())
    return found.end() if _PAIR_END.match(source.text, after) else None
