"""Where in a command, or in a file of commands, a secret is an argument: `-p x`, `setx TOKEN x`."""

from __future__ import annotations

import re

from credward.masking.looks import is_random
from credward.masking.names import is_secret_name
from credward.masking.prose import PATH
from credward.masking.strings import CLOSERS, WORD, Source

__all__ = ["GLUED_TO_P", "USERS", "after_option", "after_words", "is_user"]

USERS = frozenset({"-u", "-U", "--user", "--proxy-user"})
# Programs whose `-p` has a password directly behind it, also one of letters alone.
GLUED_TO_P = frozenset(
    {"mysql", "mysqldump", "mysqladmin", "mysqlimport", "mysqlshow", "mysqlcheck", "mariadb"}
    | {"mariadb-dump", "mariadb-admin", "sshpass", "7z", "7za", "7zz", "rar", "unrar"}
)
_COOKIES = frozenset({"-b", "--cookie"})
# Between an option and its value: a space, or the next string of a list.
_GAP = re.compile(r"(?:\\*[\"'`])?[ \t]*(?:,\s*)?")
# A string directly behind an option, and not the end of one that the option is in.
_STRING = re.compile(r"[\"'](?![\s,;)\]}\"'`]|$)")
_MARKS = frozenset({"", '"', "'", "`", "\\", ",", ")", "]", "}"})
_PORTS = re.compile(r"\d+(?::\d+)?")
_OPTION = re.compile(r"-[A-Za-z]|--[a-z][\w-]*")
# A variable that a shell sets without a sign: of csh, fish, Windows; a setting of a cloud's tool.
_SETTING = re.compile(
    r"(?:setx|setenv|set(?:[ \t]{1,9}-{1,2}[A-Za-z]{1,9})+|configure[ \t]{1,9}set)"
    r"[ \t]{1,9}(?P<name>[\w.-]{1,80})[ \t]{1,9}(?=\S)"
)
# `.netrc`, in one line or several; a sentence may say how one logs in.
_NETRC = re.compile(
    r"(?:login|machine)\s{1,40}(?!(?:with|without|by|using|via|and|or|needs|your|the|has)\s)"
    r"\S{1,200}\s{1,40}(?:password|passwd)\s{1,40}(?=\S)"
)


def after_words(source: Source, word: str, start: int) -> int | None:
    """Return where the secret is that follows *word* and a name at *start*; None if none."""
    if word in {"set", "setx", "setenv", "configure"}:
        setting = _SETTING.match(source.text, start)
        return setting.end() if setting is not None and is_secret_name(setting["name"]) else None
    if word in {"login", "machine"}:
        entry = _NETRC.match(source.text, start)
        return None if entry is None else entry.end()
    return None


def after_option(source: Source, option: str, span: tuple[int, int], *, glued: bool) -> int | None:
    """Return where the secret is that belongs to an *option*; None if none does.

    *glued*: it is one of a program in `GLUED_TO_P`.
    """
    text, (start, end) = source.text, span
    if option[:2] in {"-u", "-U"} and len(option) > 2:
        return start + 2 if is_user(source, start + 2) else None
    if option[:2] == "-p" and len(option) > 2:
        return start + 2 if glued or _is_glued(text, option, start + 2) else None
    if option in {"-p", "-u", "-U"} and _STRING.match(text, end):
        return end if option == "-p" or is_user(source, end) else None
    if glued and not text[end : end + 1].isspace() and text[end : end + 1] not in _MARKS:
        return end
    gap = _GAP.match(text, end)
    at = end if gap is None else gap.end()
    if at == end or at >= len(text) or text[at] == "\n":
        return None
    return at if _takes_secret(source, option, at) else None


def is_user(source: Source, start: int) -> bool:
    """Return whether a user with a password is at *start*; not two numbers, or an address."""
    value = source.argument(start)
    return ":" in value and "://" not in value and _PORTS.fullmatch(value) is None


def _is_glued(text: str, option: str, start: int) -> bool:
    if option[1:].isalpha() or "=" in option:
        return False
    glued = WORD.match(text, start)
    return glued is not None and _PORTS.fullmatch(glued[0].rstrip(CLOSERS)) is None


def _takes_secret(source: Source, option: str, at: int) -> bool:
    if option in USERS:
        return is_user(source, at)
    value = source.argument(at)
    if option == "-p":
        is_place = PATH.fullmatch(value) is not None and not is_random(value)
        return not (_PORTS.fullmatch(value) or _OPTION.fullmatch(value) or is_place)
    if option in _COOKIES:
        return "=" in value
    return is_secret_name(option) and not value.startswith("-")
