r"""Names with their values, in whatever way a text writes them: a small tokenizer, not a parser.

Reads each character at most a few times. Knows `NAME=value`, `name: value`, quotes (also escaped,
as in JSON inside of JSON), brackets, options of a command, and `Bearer …`. Where a text is broken
or says two things, the longer value is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from credward.masking.looks import is_random
from credward.masking.names import HEADERS, REFERENCES, is_count_name, is_error_name, is_secret_name

__all__ = ["values"]

Span = tuple[int, int]

_TOKEN = re.compile(r"\n|\\+(?:[\"'`]|[nrt](?=\w))?|[\"'`]|[\[{(\])}]|[\w.$-]+")
_SEPARATOR = re.compile(r"(?:\\*[\"'`])?\]?[ \t]*(?P<sign>:=|=>|=|:)(?P<space>[ \t]*)")
_QUOTE = re.compile(r"(?P<slashes>\\*)(?P<quote>[\"'`])")
_PREFIXED = re.compile(r"[bBfFrRuU]{1,2}(?=[\"'])")
_CALL = re.compile(r"[A-Za-z_][\w.]*\((?:\w+=)?[bBfFrRuU]{0,2}(?=[\"'])")
_WORD = re.compile(r"(?:[^\s\\]++|\\.)++\\?|\\")
# In a connection string, where values may have spaces, and in a query.
_CHAINED = {";": re.compile(r"[^;\n]*(?=;)"), "&": re.compile(r"[^&\s]+(?=&)")}
# Between an option and its value: a space, or the next string of a list.
_GAP = re.compile(r"(?:\\*[\"'`])?[ \t]*(?:,\s*)?")
_SCHEME = re.compile(
    r"(?P<one>bearer|basic|token|negotiate)[ \t]+|(?:digest|aws4-hmac-sha256)[ \t]+", re.IGNORECASE
)
_SCHEMES = frozenset({"bearer", "basic", "negotiate", "digest"})
# After the name of a scheme in a sentence.
_PROSE = re.compile(
    r"(?:tokens?|auth\w*|credentials?|scheme|realm|challenge|error)\b", re.IGNORECASE
)
# Says what is wrong with a value, or that there is none.
_NO_VALUE = re.compile(
    r"(?:null|none|nil|true|false|undefined|empty|missing|required|expired|invalid|incorrect"
    r"|wrong|denied|rejected|revoked|unknown|failed|unset|yes|no)(?=[\s\"'`,;.)}\]]|\\|$)",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\\*[\"']?\d+(?![\w.])")
_SCALAR = re.compile(r"-?[\d.]+(?=\s*[,}\]])")
_PORTS = re.compile(r"\d+(?::\d+)?")
_PATH = re.compile(r"[.~]{0,2}(?:/[\w.-]+)+/?")
_BLOCK = re.compile(r"[|>][+-]?\d?[+-]?[ \t]*")
_SENTENCE = re.compile(r":[ \t]")
_STARTS = frozenset("\"'`\\[{")
_COMMENT = frozenset("#,;)]}")
_AFTER = frozenset(",;:)]}>&|#")
_CLOSERS = "\"'`,;.!?)]}>"
_EXPORTS = frozenset({"export", "set", "setx", "env", "declare", "-", "--", "-x", "-gx"})
_USERS = frozenset({"-u", "-U", "--user", "--proxy-user"})
_COOKIES = frozenset({"-b", "--cookie"})


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
        self._text = text
        self._found: list[Span] = []
        self._line_end = -1
        # Nothing of this line was read but marks.
        self._first = True
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
        elif part in ")]}":
            if self._brackets and self._brackets.pop() and not self._is_secret_here():
                return self._adjacent(end, 0)
        elif part[0].isalnum() or part[0] in "_.$-":
            return self._read_word(part, start, end)
        return end

    def _new_line(self, end: int) -> int:
        self._first, self._quotes = True, []
        # What is not indented is not in the brackets of another line.
        if self._is_secret_here() and self._text[end : end + 1] not in " \t]})+-\n":
            self._brackets = []
        return end

    def _is_secret_here(self) -> bool:
        return bool(self._brackets) and self._brackets[-1]

    def _end_of_line(self, at: int) -> int:
        if self._line_end < at:
            found = self._text.find("\n", at)
            self._line_end = len(self._text) if found < 0 else found
        return self._line_end

    def _read_quote(self, token: str, start: int, end: int) -> int:
        key = (end - start - 1, token[-1])
        if self._is_secret_here():
            inside, after = self._string(start)
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
        separator = _SEPARATOR.match(self._text, end)
        before = self._text[start - 1] if start else ""
        if before == "<" and self._text[end : end + 1] == ">" and is_secret_name(word):
            return self._read_element(end + 1)
        if word[0] == "-" and len(word) > 1 and (separator is None or separator["sign"] != "="):
            return self._read_option(word, start, end)
        if separator is None:
            return self._read_bare(word, start, end)
        bare = word.lstrip("-")
        if self._is_secret_here() and bare in REFERENCES:
            return self._read_reference(separator.end())
        if not (self._is_secret_here() or is_secret_name(bare)):
            return self._read_users(word, separator.end()) if word in _USERS else end
        is_sentence = _SENTENCE.match(separator[0]) and separator.end() < len(self._text)
        if is_error_name(bare) and is_sentence and self._text[separator.end()] not in _STARTS:
            return end
        quoted = before in "\"'`" and before != "" and separator[0].lstrip("\\")[0] not in "\"'`"
        name = _Name(
            text=bare,
            sign=separator["sign"],
            spaced=bool(separator["space"]),
            first=first or self._leads(start, before),
            quoted=quoted,
            before=self._text[max(0, start - 4) : start].rstrip(" ")[-1:]
            if before == " "
            else before,
        )
        return self._read_value(name, separator.end())

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
        value = _WORD.match(self._text, end + 1)
        if value is None or _PROSE.match(value[0]):
            return end
        if word.islower() and value[0].isalpha() and value[0].islower() and word != "bearer":
            return end
        return self._hide_word(end + 1, "")

    def _read_element(self, start: int) -> int:
        """Read the text of an element of XML."""
        end = self._text.find("<", start, self._end_of_line(start))
        end = self._end_of_line(start) if end < 0 else end
        self._hide(start, end)
        return end

    def _read_reference(self, start: int) -> int:
        """Leave the value: it says where a secret is."""
        if (quote := _QUOTE.match(self._text, start)) is not None:
            return self._string(quote.start())[1]
        if self._text[start : start + 1] == "[":
            self._brackets.append(False)
            return start + 1
        return start

    def _read_option(self, word: str, start: int, end: int) -> int:
        """Read what follows an option such as `--password`, `-p`, `-u`."""
        if word[:2] == "-p" and len(word) > 2 and not word[1:].isalpha() and "=" not in word:
            glued = _WORD.match(self._text, start + 2)
            if glued is not None and not _PORTS.fullmatch(glued[0].rstrip(_CLOSERS)):
                return self._hide_word(start + 2, "")
            return end
        gap = _GAP.match(self._text, end)
        at = end if gap is None else gap.end()
        if at == end or at >= len(self._text) or self._text[at] == "\n":
            return end
        if word in _USERS:
            return self._read_users(word, at)
        value = self._peek(at)
        if word == "-p":
            wanted = not _PORTS.fullmatch(value) and (
                not _PATH.fullmatch(value) or is_random(value)
            )
        elif word in _COOKIES:
            wanted = "=" in value
        else:
            wanted = is_secret_name(word) and not value.startswith("-")
        return self._hide_argument(at) if wanted else end

    def _read_users(self, _: str, start: int) -> int:
        """Read a user, who may have a password behind a colon; not two numbers, or an address."""
        value = self._peek(start)
        if ":" not in value or "://" in value or _PORTS.fullmatch(value):
            return start
        return self._hide_argument(start)

    def _peek(self, start: int) -> str:
        """Return the argument at *start*, without quotes."""
        if _QUOTE.match(self._text, start) is not None:
            inside, _ = self._string(start)
            return self._text[slice(*inside)]
        word = _WORD.match(self._text, start)
        return "" if word is None else word[0].rstrip(_CLOSERS)

    def _hide_argument(self, start: int) -> int:
        if _QUOTE.match(self._text, start) is None:
            return self._hide_word(start, "")
        inside, after = self._string(start)
        self._hide(*inside)
        return self._adjacent(after, _level(self._text, start))

    def _read_value(self, name: _Name, start: int) -> int:
        """Read the value of a secret's name; return where the next token may begin."""
        text = self._text
        if (prefix := _PREFIXED.match(text, start)) is not None:
            start = prefix.end()
        if _NO_VALUE.match(text, start) or start >= len(text):
            return start
        if is_count_name(name.text) and _NUMBER.match(text, start):
            return start
        if _QUOTE.match(text, start) is not None:
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

    def _read_call(self, start: int, end: int) -> int:
        """Read a value that its constructor surrounds: `SecretStr('…')`."""
        inside, after = self._string(end)
        self._hide(start, inside[1])
        after = self._adjacent(after, 0)
        closed = self._text.startswith(")", after)
        return self._adjacent(after + 1, 0) if closed else after

    def _read_string(self, name: _Name, start: int) -> int:
        """Read a value in quotes, and what a broken line has behind it."""
        inside, after = self._string(start)
        scheme = _SCHEME.match(self._text, *inside)
        self._hide(inside[0] if scheme is None else scheme.end(), inside[1])
        if _NO_VALUE.fullmatch(self._text, *inside):
            self._found.pop()
        after = self._adjacent(after, _level(self._text, start))
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
                inside, after = self._string(after)
                self._hide(*inside)
            else:
                end = self._hide_word(after, "")
                after = end if end > after else after + 1
        return after

    def _string(self, start: int) -> tuple[Span, int]:
        """Return what is inside of the quotes at *start*, and where they have ended.

        At the end of the line, if they do not end in it; those of three end where they end.
        """
        text = self._text
        quote = _QUOTE.match(text, start)
        assert quote is not None
        mark, level, begin = quote["quote"], len(quote["slashes"]), quote.end()
        triple = mark * 3
        if not level and text.startswith(triple, start):
            end = text.find(triple, start + 3)
            return (start + 3, len(text) if end < 0 else end), len(text) if end < 0 else end + 3
        end = self._end_of_line(begin)
        at = self._closing(level, mark, begin, end)
        if at is None:
            return (begin, end), end
        slashes = self._slashes(at, begin)
        if slashes < level or (level and slashes % 2 == 0):
            # It is the end of the string around this one.
            return (begin, at), at
        return (begin, at - level), at + 1

    def _closing(self, level: int, mark: str, start: int, stop: int) -> int | None:
        """Return where before *stop* the quote *mark* after *level* backslashes closes."""
        period = 2 * (level + 1)
        at = self._text.find(mark, start, stop)
        while at >= 0:
            slashes = self._slashes(at, start)
            if slashes < level or slashes % period == level or (level and slashes % 2 == 0):
                return at
            at = self._text.find(mark, at + 1, stop)
        return None

    def _slashes(self, at: int, start: int) -> int:
        """Return how many backslashes stand before *at*."""
        first = at
        while first > start and self._text[first - 1] == "\\":
            first -= 1
        return at - first

    def _hide_line(self, start: int) -> int:
        """Hide up to the end of the line, or of the quotes around; also a block of YAML below."""
        end = self._end_of_line(start)
        if (closing := self._end_of_quotes(start, end)) is not None:
            self._hide(start, closing)
            return closing
        if _BLOCK.fullmatch(self._text, start, end):
            return self._hide_block(end)
        self._hide(start, self._trimmed(start, end))
        return end

    def _hide_block(self, start: int) -> int:
        """Hide the lines after *start* that are empty or indented."""
        end = start
        while end < len(self._text):
            following = end + 1
            if self._text[following : following + 1] not in {" ", "\t", "\n", "+", "-"}:
                break
            end = self._end_of_line(following)
        self._hide(start + 1, end)
        return end

    def _hide_word(self, start: int, before: str) -> int:
        """Hide up to the next space or the end of the quotes around.

        After a `;` or `&` *before* its name, a value ends there too.
        """
        word = None if before not in _CHAINED else _CHAINED[before].match(self._text, start)
        word = word or _WORD.match(self._text, start)
        if word is None:
            return start
        end = word.end()
        closing = self._end_of_quotes(start, end)
        end = self._trimmed(start, end) if closing is None else closing
        self._hide(start, end)
        return end

    def _end_of_quotes(self, start: int, stop: int) -> int | None:
        """Return where before *stop* the quotes around end, without their backslashes."""
        if not self._quotes:
            return None
        level, mark = self._quotes[-1]
        at = self._closing(level, mark, start, stop)
        return None if at is None else at - min(level, self._slashes(at, start))

    def _trimmed(self, start: int, end: int) -> int:
        while end > start and self._text[end - 1] in _CLOSERS:
            end -= 1
        return end

    def _hide(self, start: int, end: int) -> None:
        if start < end:
            self._found.append((start, end))


def _level(text: str, start: int) -> int:
    """Return how many backslashes stand before the quote at *start*."""
    quote = _QUOTE.match(text, start)
    return 0 if quote is None else len(quote["slashes"])
