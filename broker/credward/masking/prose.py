"""What follows the name of a secret and is none: a state, a sentence, a place to fill in.

`could not refresh credentials: invalid_grant` has the cause where a secret could be. What stays is
what people need to see; a password of letters alone in the middle of a sentence stays too.
"""

from __future__ import annotations

import re

from credward.masking.looks import is_random
from credward.masking.names import is_error_name, is_secret_name
from credward.masking.strings import CLOSERS

__all__ = [
    "PATH",
    "is_marked",
    "is_no_value",
    "is_program",
    "is_prose",
    "is_sentence",
    "is_subject",
]

PATH = re.compile(r"[.~]{0,2}(?:/[\w.-]+)+/?")
# Says what is wrong with a value, that there is none, or where to write one.
_WORDS = (
    r"(?:null|none|nil|true|false|undefined|empty|missing|required|expired|invalid|incorrect"
    r"|wrong|denied|rejected|revoked|unknown|failed|unset|yes|no|forbidden|unauthorized|timeout"
    r"|timed out|cancell?ed|refused|unavailable|unsupported|disabled|enabled|EOF|VALUE|\.{3}|…"
    r"|not (?:found|set|given|valid|allowed|supported|present|available))"
)
_CLOSED = r"(?:[\"'`)}\],;:.!]|\\+[\"'`])*"
_JSON = r"[\"'`)}\]]*,\\*[\"'`]|[\"'`)}\]]*\\+[nrt]"
# It ends at a space, or only at the end of the line; a sentence may follow it after a mark.
_TO_SPACE = re.compile(rf"{_WORDS}(?={_CLOSED}(?:\s|$)|{_JSON})", re.IGNORECASE)
_TO_END = re.compile(
    rf"{_WORDS}(?={_CLOSED}[ \t]*(?:[\r\n#}}\])]|\Z)|{_JSON})",
    re.IGNORECASE,
)
_TO_MARK = re.compile(rf"{_WORDS}(?={_CLOSED}(?:(?<=[,;:.!])[ ]|[ ]\()|{_JSON})", re.IGNORECASE)
_SUBJECT = re.compile(r"credentials\.[\w.-]+")
_PLAIN_NAME = re.compile(r"[A-Za-z]?[a-z]+|[A-Z]{2,5}s?")
# Programs that get a secret are named after it, and begin each of their messages so.
_PROGRAM = re.compile(
    r"(?:fetch|get|make|mint|print|show)[_-][\w-]+|(?:git|docker)-credential[\w-]*"
)
_MARKED = re.compile(r"(?:error|fatal|warning|line \d{1,5}): \S{1,200} \S", re.IGNORECASE)
_CODE = re.compile(r"[A-Za-z]+(?:[_-][A-Za-z]+)+|(?:[A-Z][a-z]+){2,}")
_ENGLISH = re.compile(r"[A-Za-z]+(?:['_-][A-Za-z]+)*|\d{1,3}|x509")
_NUMBERED = re.compile(r"[A-Z]{2,8}\d{2,7}")
_ADDRESS = re.compile(r"[\"']?https?://")
_QUOTED = re.compile(r"\"[^\"]*\" [a-z]")
# Characters of a line that are looked at.
_LONGEST = 300


def is_no_value(text: str, start: int, *, to_end: bool, sentence: bool) -> bool:
    """Return whether a word at *start* says that there is no value.

    *to_end*: a value goes on after a space. *sentence*: unless this one ends in a mark.
    """
    if not to_end:
        return _TO_SPACE.match(text, start) is not None
    if _TO_END.match(text, start) is not None:
        return True
    return sentence and _TO_MARK.match(text, start) is not None


def is_program(name: str) -> bool:
    """Return whether *name* is rather that of a program than of a secret."""
    return _PROGRAM.fullmatch(name) is not None


def is_marked(text: str, start: int) -> bool:
    """Return whether at *start* a message begins that says that it is one."""
    return _MARKED.match(text, start) is not None


def is_prose(name: str, text: str, start: int, stop: int) -> bool:
    """Return whether between *start* and *stop* the cause is, after a *name* in a sentence.

    A path may be before the name, with its last slash.
    """
    first, more = _first_word(text, start, stop)
    if is_random(first):
        return False
    if (_CODE.fullmatch(first) and is_error_name(first)) or _ADDRESS.match(first):
        return True
    if PATH.fullmatch(first):
        return True
    if is_error_name(name):
        return is_sentence(text, start, stop)
    # Before more words, one of letters is no secret; `db_password: …` is no sentence.
    is_word = name[:1] == "/" or is_program(name) or _PLAIN_NAME.fullmatch(name) is not None
    return more and is_word and _is_english(first)


def is_sentence(text: str, start: int, stop: int) -> bool:
    """Return whether words are between *start* and *stop*, not in quotes or brackets."""
    first, more = _first_word(text, start, stop)
    return _is_english(first) or (more and _NUMBERED.fullmatch(first) is not None)


def is_subject(name: str, text: str, start: int, stop: int) -> bool:
    """Return whether *name* is that of a table of ours, of which a message says something."""
    if _SUBJECT.fullmatch(name) is None:
        return False
    if not is_secret_name(name.rpartition(".")[2]) and _QUOTED.match(text, start, stop):
        return True
    first, more = _first_word(text, start, stop)
    return more and _is_english(first)


def _first_word(text: str, start: int, stop: int) -> tuple[str, bool]:
    words = text[start : min(stop, start + _LONGEST)].split(maxsplit=1)
    return (words[0].rstrip(CLOSERS + ":"), len(words) > 1) if words else ("", False)


def _is_english(word: str) -> bool:
    return _ENGLISH.fullmatch(word) is not None
