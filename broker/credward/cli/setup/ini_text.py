"""Change single options of an AWS configuration file and keep every other byte.

`configupdater` has the grammar of the standard library's `configparser`, by which botocore reads
these files, and keeps comments, order and blanks. Why not `aws configure set`: docs/decisions/0029.
"""

from __future__ import annotations

from configparser import (
    DuplicateOptionError,
    DuplicateSectionError,
    MissingSectionHeaderError,
    ParsingError,
)
from configparser import Error as ConfigError
from typing import TYPE_CHECKING, Any

from credward.cli.setup.unreadable import UnreadableError

if TYPE_CHECKING:
    from configupdater import ConfigUpdater

__all__ = ["get_member", "lines_of", "remove_member", "set_member"]

_MARK = "\ufeff"


def get_member(text: str, path: tuple[str, ...]) -> Any:
    """Return the value at *path*, a section and an option, or None; raises `UnreadableError`.

    A shorter path gives what is below it; `{}` only if not even a comment is there.
    """
    found = _parsed(text)
    if not path:
        return found.to_dict() or ({"": text} if text.strip() else {})
    section, *key = path
    if not found.has_section(section):
        return None
    if key:
        option = found[section].get(key[0])
        return None if option is None else option.value
    whole = found[section]
    said = str(whole).partition("\n")[2].strip()
    return whole.to_dict() or ({"": said} if said else {})


def set_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """Return *text* with the option at *path* set; a missing section comes last."""
    found = _parsed(text)
    name, key = path
    if not found.has_section(name):
        found.add_section(name)
    section = found[name]
    if key in section or not section.option_blocks():
        section[key] = str(value)
    else:
        # At its end are the blank lines and comments before the next section.
        section.option_blocks()[-1].add_after.option(key, str(value))
    return _written(found, text)


def remove_member(text: str, path: tuple[str, ...]) -> str:
    """Return *text* without the option at *path*, or the section; unchanged if there is none."""
    found = _parsed(text)
    if not path:
        return ""
    section, *key = path
    if not found.has_section(section):
        return text
    if not key:
        found.remove_section(section)
    elif found.has_option(section, key[0]):
        found.remove_option(section, key[0])
    return _written(found, text)


def lines_of(path: tuple[str, ...], value: Any) -> list[str]:
    """Return the line that *value* at *path* is written as."""
    return [f"{path[-1]} = {value}"]


def _parsed(text: str) -> ConfigUpdater:
    # Most set-ups do not need it, and it takes as long as all the rest.
    from configupdater import ConfigUpdater

    updater = ConfigUpdater()
    if text.startswith(_MARK):
        raise UnreadableError("begins with a byte order mark, which AWS does not read")
    try:
        updater.read_string(_plain(text))
    except ConfigError as error:
        # Its message quotes the line, which may hold a key.
        raise UnreadableError(f"is not a valid AWS configuration{_where(error)}") from error
    return updater


def _where(error: ConfigError) -> str:
    match error:
        case ParsingError(errors=[(number, _), *_]):
            return f" at line {number}"
        case MissingSectionHeaderError(lineno=number):
            return f" at line {number}"
        case DuplicateSectionError(lineno=number) | DuplicateOptionError(lineno=number):
            return f" at line {number} (it stands there a second time)"
        case _:
            return ""


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n") if _is_crlf(text) else text


def _written(updater: ConfigUpdater, text: str) -> str:
    written = str(updater)
    return written.replace("\n", "\r\n") if _is_crlf(text) else written


def _is_crlf(text: str) -> bool:
    """Return whether each line ends as on Windows; a mixture is kept as it is."""
    return "\r\n" in text and text.count("\r\n") == text.count("\n") == text.count("\r")
