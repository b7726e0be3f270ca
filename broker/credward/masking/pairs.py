r"""Names with their values, in whatever way a text writes them: a small tokenizer, not a parser.

Reads each character at most a few times. Knows `NAME=value`, `name: value`, quotes (also escaped,
as in JSON inside of JSON), brackets, lists below a name, and `Bearer …`. Where a text is broken or
says two things, the longer value is taken. `prose`, `arguments` and `labels` know their own ways.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from credward.masking import arguments, labels, prose
from credward.masking.names import (
    CHOICES,
    HEADERS,
    REFERENCES,
    is_count_name,
    is_error_name,
    is_secret_name,
)
from credward.masking.strings import QUOTE, WORD, Source, Span

__all__ = ["values"]

_TOKEN = re.compile(r"\n|\\+(?:[\"'`]|[nrt](?=\w))?|[\"'`]|[\[{(\])}]|[\w.$-]+")
_SEPARATOR = re.compile(r"(?:\\*[\"'`])?\]?[ \t]*(?P<sign>:=|=>|=|:)(?P<space>[ \t]*)")
_PREFIXED = re.compile(r"[bBfFrRuU]{1,2}(?=[\"'])")
_CALL = re.compile(r"[A-Za-z_][\w.]*\((?:\w+=)?[bBfFrRuU]{0,2}(?=[\"'])")
# In a connection string, where values may have spaces, and in a query.
_CHAINED = {";": re.compile(r"[^;\n]*(?=;)"), "&": re.compile(r"[^&\s]+(?=&)")}
_SCHEME = re.compile(
    r"(?P<one>bearer|basic|token|negotiate)[ \t]+|(?:digest|aws4-hmac-sha256)[ \t]+", re.IGNORECASE
)
_SCHEMES = frozenset({"bearer", "basic", "negotiate", "digest"})
# After the name of a scheme in a sentence.
_PROSE = re.compile(
    r"(?:tokens?|auth\w*|credentials?|scheme|realm|challenge|error)\b|\.{3}", re.IGNORECASE
)
_NUMBER = re.compile(r"\\*[\"']?\d+(?![\w.])")
_SCALAR = re.compile(r"-?[\d.]+(?=\s*[,}\]])")
_BLOCK = re.compile(r"[|>][+-]?\d?[+-]?[ \t]*")
# A line of YAML with a name of its own, and one of a list.
_MEMBER = re.compile(r"[+\- \t]*[\w\"'.-]+[ \t]*:(?:\s|$)")
_ITEM = re.compile(r"[+]?(?P<indent>[ \t]*)(?P<dash>-[ \t]+)?(?=\S)")
_COMMENT = frozenset("#,;)]}")
_AFTER = frozenset(",;:)]}>&|#")
# Before a name that is no word of a sentence.
_LISTED = frozenset(",{;&[(<\"'`?=")
_EXPORTS = frozenset({"export", "set", "setx", "env", "declare", "-", "--", "-x", "-gx"})


class _Name(msgspec.Struct, frozen=True, kw_only=True):
    """A name, the text of its separator, and where it stands.

    *first*: nothing but marks is before it in its line. *quoted*: its value, too, is inside of the
    quote that stands before it. *before*: the character before it.
    """

    text: str
    sign: str
    spaced: bool
    first: bool
    quoted: bool
    before: str

    def takes_all(self) -> bool:
        """Return whether a value without quotes goes on after a space."""
        if self.quoted or self.text.lower() in HEADERS:
            return True
        if self.sign == ":":
            return self.first
        return self.spaced or (self.first and self.text.isupper())


def values(text: str) -> Iterator[Span]:
    """Yield where *text* has values of secrets."""
    return iter(_Scanner(text).scan())


class _Scanner:
    """One pass over *text*."""

    def __init__(self, text: str) -> None:
        self._source = Source(text)
        self._text = self._source.text
        self._found: list[Span] = []
        # Nothing of this line was read but marks.
        self._first = True
        # This line names a program that takes a password directly behind `-p`.
        self._glued = False
        # Quotes that are open in this line, with the number of backslashes before them.
        self._quotes: list[tuple[int, str]] = []
        # Brackets that are open, and whether what is inside of them is secret.
        self._brackets: list[bool] = []

    def scan(self) -> list[Span]:
        """Return where values are."""
        at = 0
        while (found := _TOKEN.search(self._text, at)) is not None:
            at = self._read(found[0], *found.span())
        return self._found

    def _read(self, part: str, start: int, end: int) -> int:
        """Read one token; return where the next one may begin."""
        if part == "\n":
            return self._new_line(end)
        if part[-1] in "\"'`":
            return self._read_quote(part, start, end)
        if part[0] == "\\":
            # An escaped end of a line is one.
            self._first = self._first or part[-1] != "\\"
            return end
        if part in "[{(":
            self._brackets.append(self._is_secret_here())
            if part == "(" and (second := labels.paired(self._source, start)) is not None:
                return self._hide_argument(second)
        elif part in ")]}":
            if self._brackets and self._brackets.pop() and not self._is_secret_here():
                return self._adjacent(end, 0)
        elif part[0].isalnum() or part[0] in "_.$-":
            return self._read_word(part, start, end)
        return end

    def _new_line(self, end: int) -> int:
        self._first, self._glued, self._quotes = True, False, []
        # What is not indented is not in the brackets of another line.
        if self._is_secret_here() and self._text[end : end + 1] not in " \t]})+-\n":
            self._brackets = []
        return end

    def _is_secret_here(self) -> bool:
        return bool(self._brackets) and self._brackets[-1]

    def _read_quote(self, token: str, start: int, end: int) -> int:
        key = (end - start - 1, token[-1])
        if self._is_secret_here():
            inside, after = self._source.string(start)
            if _SEPARATOR.match(self._text, inside[1]) is None:
                self._hide(*inside)
                return after
        if self._quotes and self._quotes[-1] == key:
            self._quotes.pop()
        elif not start or not (self._text[start - 1].isalnum() or self._text[start - 1] in ")]"):
            self._quotes.append(key)
        return end

    def _read_word(self, word: str, start: int, end: int) -> int:
        first = self._first
        self._first = first and word in _EXPORTS
        self._glued = self._glued or word in arguments.GLUED_TO_P
        if (at := arguments.after_words(self._source, word, start)) is not None:
            return self._hide_argument(at)
        separator = _SEPARATOR.match(self._text, end)
        before = self._text[start - 1] if start else ""
        if before == "<" and self._text[end : end + 1] == ">" and is_secret_name(word):
            return self._read_element(end + 1)
        glued = self._glued and word[:2] == "-p"
        is_assigned = separator is not None and separator["sign"] == "=" and not glued
        if word[0] == "-" and len(word) > 1 and not is_assigned:
            at = arguments.after_option(self._source, word, (start, end), glued=glued)
            return end if at is None else self._hide_argument(at)
        if separator is None:
            return self._read_bare(word, start, end)
        return self._read_named(word, start, separator, first=first)

    def _read_named(self, word: str, start: int, separator: re.Match[str], *, first: bool) -> int:
        """Read a word that a separator follows."""
        end, at, bare = separator.start(), separator.end(), word.lstrip("-")
        if self._is_secret_here() and bare in REFERENCES:
            return self._read_reference(at)
        value = labels.labelled(self._source, bare, start)
        if value is not None:
            first = "\n" in self._text[start:value]
            at = value
        elif not (self._is_secret_here() or is_secret_name(bare)):
            if word in arguments.USERS and arguments.is_user(self._source, at):
                return self._hide_argument(at)
            return end
        name = self._name(bare, start, separator, first=first)
        return end if self._is_said(name, separator, at) else self._read_value(name, at)

    def _name(self, bare: str, start: int, separator: re.Match[str], *, first: bool) -> _Name:
        before = self._text[start - 1] if start else ""
        quoted = before in "\"'`" and before != "" and separator[0].lstrip("\\")[0] not in "\"'`"
        return _Name(
            text=bare,
            sign=separator["sign"],
            spaced=bool(separator["space"]),
            first=first or self._leads(start, before),
            quoted=quoted,
            before=self._text[max(0, start - 4) : start].rstrip(" ")[-1:]
            if before == " "
            else before,
        )

    def _is_said(self, name: _Name, separator: re.Match[str], at: int) -> bool:
        """Return whether *name* is a word of a sentence that goes on after a colon."""
        # An address may be in quotes: `Post "https://login.example.com/token": dial tcp`.
        colon = separator[0][0] == ":" or name.before == "/"
        if not (colon and name.sign == ":" and name.spaced) or at >= len(self._text):
            return False
        stop = self._source.end_of_line(at)
        closing = self._end_of_quotes(at, stop)
        stop = stop if closing is None else closing
        if prose.is_subject(name.text, self._text, at, stop) or prose.is_marked(self._text, at):
            return True
        if name.first and is_error_name(name.text):
            return prose.is_sentence(self._text, at, stop)
        is_value = name.first and not prose.is_program(name.text)
        if is_value or name.quoted or name.text.lower() in HEADERS or name.before in _LISTED:
            return False
        path = "/" if name.before == "/" else ""
        return prose.is_prose(path + name.text, self._text, at, stop)

    def _leads(self, start: int, before: str) -> bool:
        """Return whether a quoted name is the first of its line."""
        return (
            before in "\"'`"
            and before != ""
            and not self._text[max(0, start - 40) : start - 1].rpartition("\n")[2].strip(" \t+-")
        )

    def _read_bare(self, word: str, start: int, end: int) -> int:
        """Read a word without a value: of a structure that is secret, or the name of a scheme."""
        if self._is_secret_here():
            self._hide(start, end)
            return end
        if word.lower() not in _SCHEMES or self._text[end : end + 1] not in {" ", "\t"}:
            return end
        value = WORD.match(self._text, end + 1)
        if value is None or _PROSE.match(value[0]):
            return end
        if word.islower() and value[0].isalpha() and value[0].islower() and word != "bearer":
            return end
        return self._hide_word(end + 1, "")

    def _read_element(self, start: int) -> int:
        """Read the text of an element of XML."""
        end = self._text.find("<", start, self._source.end_of_line(start))
        end = self._source.end_of_line(start) if end < 0 else end
        self._hide(start, end)
        return end

    def _read_reference(self, start: int) -> int:
        """Leave the value: it says where a secret is."""
        if (quote := QUOTE.match(self._text, start)) is not None:
            return self._source.string(quote.start())[1]
        if self._text[start : start + 1] == "[":
            self._brackets.append(False)
            return start + 1
        return start

    def _hide_argument(self, start: int) -> int:
        if QUOTE.match(self._text, start) is None:
            return self._hide_word(start, "")
        inside, after = self._source.string(start)
        self._hide(*inside)
        return self._adjacent(after, self._source.level(start))

    def _read_value(self, name: _Name, start: int) -> int:
        """Read the value of a secret's name; return where the next token may begin."""
        text = self._text
        if (prefix := _PREFIXED.match(text, start)) is not None:
            start = prefix.end()
        if start >= len(text) or self._has_none(name, start):
            return start
        if is_count_name(name.text) and _NUMBER.match(text, start):
            return start
        if QUOTE.match(text, start) is not None:
            return self._read_string(name, start)
        if text[start] in "[{":
            self._brackets.append(True)
            return start + 1
        if (call := _CALL.match(text, start)) is not None:
            return self._read_call(*call.span())
        if (scheme := _SCHEME.match(text, start)) is not None:
            start = scheme.end()
            if scheme["one"] and name.sign == ":":
                return self._hide_word(start, name.before)
            return self._hide_line(start)
        if (scalar := _SCALAR.match(text, start)) is not None and name.before in {'"', "'"}:
            self._hide(*scalar.span())
            return scalar.end()
        if name.takes_all():
            return self._hide_line(start)
        return self._hide_word(start, name.before)

    def _has_none(self, name: _Name, start: int) -> bool:
        to_end = name.takes_all() and not name.quoted
        return prose.is_no_value(self._text, start, to_end=to_end, sentence=name.sign == ":")

    def _is_word(self, name: _Name, inside: Span) -> bool:
        """Return whether a string says that there is no value, or which kind is wanted."""
        word = self._text[slice(*inside)]
        choices = CHOICES.get(name.text.lower().rpartition(".")[2], frozenset())
        return word in choices or prose.is_no_value(word, 0, to_end=True, sentence=False)

    def _read_call(self, start: int, end: int) -> int:
        """Read a value that its constructor surrounds: `SecretStr('…')`."""
        inside, after = self._source.string(end)
        self._hide(start, inside[1])
        after = self._adjacent(after, 0)
        closed = self._text.startswith(")", after)
        return self._adjacent(after + 1, 0) if closed else after

    def _read_string(self, name: _Name, start: int) -> int:
        """Read a value in quotes, and what a broken line has behind it."""
        inside, after = self._source.string(start)
        scheme = _SCHEME.match(self._text, *inside)
        self._hide(inside[0] if scheme is None else scheme.end(), inside[1])
        if inside[0] < inside[1] and self._is_word(name, inside):
            self._found.pop()
            return after
        after = self._adjacent(after, self._source.level(start))
        rest = self._text[after : after + 40].split("\n")[0].lstrip(" \t")
        if name.first and name.spaced and not name.quoted and rest and rest[0] not in _COMMENT:
            return self._hide_line(after)
        return after

    def _adjacent(self, after: int, level: int) -> int:
        r"""Read on after a string as a shell does: `'it'\''s'`, `"a"b`."""
        text = self._text
        while after < len(text) and not text[after].isspace() and text[after] not in _AFTER:
            if self._quotes and text.startswith(self._quotes[-1][1], after):
                break
            if text[after] == "\\":
                if level:
                    break
                self._hide(after, after + 2)
                after += 2
            elif text[after] in "\"'`":
                inside, after = self._source.string(after)
                self._hide(*inside)
            else:
                end = self._hide_word(after, "")
                after = end if end > after else after + 1
        return after

    def _hide_line(self, start: int) -> int:
        """Hide up to the end of the line, or of the quotes around; also a block of YAML below."""
        end = self._source.end_of_line(start)
        if (closing := self._end_of_quotes(start, end)) is not None:
            self._hide(start, closing)
            return closing
        if _BLOCK.fullmatch(self._text, start, end):
            return self._hide_block(end)
        if start == end:
            return self._hide_items(end)
        self._hide(start, self._source.trimmed(start, end))
        return end

    def _hide_block(self, start: int) -> int:
        """Hide the lines after *start* that are empty or indented."""
        end = start
        while end < len(self._text):
            following = end + 1
            if self._text[following : following + 1] not in {" ", "\t", "\n", "+", "-"}:
                break
            end = self._source.end_of_line(following)
        self._hide(start + 1, end)
        return end

    def _hide_items(self, start: int) -> int:
        """Hide the lines after *start* that are indented, or of a list, and have no own names."""
        outer, end = self._source.indent(start), start
        while (item := _ITEM.match(self._text, end + 1)) is not None:
            deeper = len(item["indent"]) > outer or item["dash"] is not None
            if not deeper or item.end() > (stop := self._source.end_of_line(end + 1)):
                break
            if _MEMBER.match(self._text, end + 1, stop):
                break
            self._hide(item.end(), stop)
            end = stop
        return end

    def _hide_word(self, start: int, before: str) -> int:
        """Hide up to the next space or the end of the quotes around.

        After a `;` or `&` *before* its name, a value ends there too.
        """
        word = None if before not in _CHAINED else _CHAINED[before].match(self._text, start)
        word = word or WORD.match(self._text, start)
        if word is None:
            return start
        end = word.end()
        closing = self._end_of_quotes(start, end)
        end = self._source.trimmed(start, end) if closing is None else closing
        self._hide(start, end)
        return end

    def _end_of_quotes(self, start: int, stop: int) -> int | None:
        """Return where before *stop* the quotes around end, without their backslashes."""
        if not self._quotes:
            return None
        level, mark = self._quotes[-1]
        at = self._source.closing(level, mark, start, stop)
        return None if at is None else at - min(level, self._source.slashes(at, start))

    def _hide(self, start: int, end: int) -> None:
        if start < end:
            self._found.append((start, end))
