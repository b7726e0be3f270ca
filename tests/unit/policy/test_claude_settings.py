"""Settings files as JSON: whatever an agent might take from one counts, and what cannot be read too."""

from __future__ import annotations

from pathlib import PurePath

import pytest

from canaries import canary
from credward.folder import Record
from credward.policy.claude_settings import read_folder
from credward.tokens import Folder, SettingsFile
from fakes.folder_body import encode

PATH = "/repo/.claude/settings.json"
URL = "ANTHROPIC_BASE_URL"


def read(content: bytes | str) -> SettingsFile:
    raw = content.encode() if isinstance(content, str) else content
    record = Record(kind="file", name=PATH.encode(), content=raw)
    (found,) = read_folder(encode([record]), home=None).files
    return found


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ('{"env": {"ANTHROPIC_BASE_URL": "a"}}', ["a"]),
        ('{"env": {"ANTHROPIC_BASE_URL": "a", "ANTHROPIC_BASE_URL": "b"}}', ["a", "b"]),
        ('{"env": {"ANTHROPIC_BASE_URL": "a"}, "env": {"ANTHROPIC_BASE_URL": "b"}}', ["a", "b"]),
        ('{"\\u0065nv": {"ANTHROPIC\\u005fBASE_URL": "\\u0061"}}', ["a"]),
        ('\ufeff{"env": {"ANTHROPIC_BASE_URL": "a"}}', ["a"]),
        ('{"env": {"anthropic_base_url": "a"}}', ["a"]),
        ('{"env": {"ANTHROPIC_BASE_URL\\u0000x": "a"}}', ["a"]),
        ('{"env": {" ANTHROPIC_BASE_URL ": " a "}}', ["a"]),
        ('{"env": {"ANTHROPIC_BASE_URL": 7}}', ["7"]),
        ('{"env": {"ANTHROPIC_BASE_URL": true}}', ["true"]),
        ('{"env": {"ANTHROPIC_BASE_URL": -0}}', ["0"]),
        ('{"env": {"ANTHROPIC_BASE_URL": "\\ufeff1\\u2028"}}', ["1"]),
        ('{"env": {"ANTHROPIC_BASE_URL": "\\u001c1\\u0085"}}', ["\x1c1\x85"]),
        ('{"env": {"OTHER": [1.5, null, "\\u0000"]}}', []),
        ('{"permissions": 7, "env": {"ANTHROPIC_BASE_URL": "a"}}', ["a"]),
        ('{"env": ["ANTHROPIC_BASE_URL"]}', []),
        ('{"other": {"env": {"ANTHROPIC_BASE_URL": "a"}}}', []),
        ("{}", []),
        ("", []),
        (" \n", []),
    ],
)  # fmt: skip
def test_s2_every_occurrence_counts(content: str, values: list[str]) -> None:
    """Doubled and escaped keys, a byte-order mark, other cases, values that are no text."""
    assert read(content) == SettingsFile(
        path=PATH, variables=tuple((URL, value) for value in values)
    )
    assert read(content).variables == tuple((URL, value) for value in values)


def test_s2_a_path_of_authorities_keeps_its_white_space() -> None:
    """`x.pem` and `x.pem ` are two files: Node opens the path as it is."""
    found = read('{"env": {" NODE_EXTRA_CA_CERTS": "/x.pem "}}')

    assert found.variables == (("NODE_EXTRA_CA_CERTS", "/x.pem "),)


@pytest.mark.parametrize(
    "content",
    [
        '// a comment\n{"env": {}}',
        '{"env": {},}',
        "{'env': {}}",
        '{"env": {}} x',
        '{"env": {}}\0',
        "[]",
        '"text"',
        "null",
        '{"a": NaN}',
        "{",
        '{"a": ' * 9000,
        '{"a": ' + "9" * 5000 + "}",
        b'{"a": "\xff"}',
        '{"env": {}}'.encode("utf-16"),
    ],
    ids=lambda content: repr(content)[:20],
)
def test_s2_what_is_not_json(content: str | bytes) -> None:
    """Claude Code reads some of these all the same, so none is taken for an empty file."""
    assert read(content).fault == "is not JSON: correct it"


@pytest.mark.parametrize(
    "value",
    ["1.0", "1e0", "0e0", "[1]", '["0"]', "[]", "null", "{}", '"1\\u0000"', str(2**53), "1" * 400],
)
def test_s2_what_javascript_may_write_otherwise(value: str) -> None:
    """A fraction, a list, a long number or a NUL: nobody here guesses what it becomes there."""
    found = read(f'{{"env": {{"CLAUDE_CODE_USE_FOUNDRY": {value}, "{URL}": "a"}}}}')

    assert (
        found.fault == "sets CLAUDE_CODE_USE_FOUNDRY to a value that is not plain text: correct it"
    )
    assert found.variables == ()


def test_s11_a_hostile_name_with_such_a_value_moves_no_cursor() -> None:
    """Nor does half a character in it hinder the line from being written."""
    found = read('{"env": {"VERTEX_REGION_\\ud800\\u001b[2J": 1.5}}')

    assert (
        found.fault
        == "sets VERTEX_REGION_\ufffd\ufffd[2J to a value that is not plain text: correct it"
    )


def test_s2_what_is_said_of_files_that_nobody_read() -> None:
    """And variables of the caller come along."""
    body = encode(
        [
            Record(kind="variable", name=URL.encode(), content=b" https://a.example\xef\xbb\xbf"),
            Record(kind="unreadable", name=b"/a"),
            Record(kind="too-large", name=b"/b"),
            Record(kind="unreadable", name=b"/c/.git"),
            Record(kind="too-large", name=b"/d/.git"),
        ]
    )

    assert read_folder(body, home=None) == Folder(
        variables=((URL, "https://a.example"),),
        files=(
            SettingsFile(path="/a", fault="cannot be read: correct it"),
            SettingsFile(path="/b", fault="is too large: shorten it"),
            SettingsFile(
                path="/c/.git", fault="cannot be read, or is not in git's format: correct it"
            ),
            SettingsFile(
                path="/d/.git",
                fault="is as far up as credward looks (32 folders): ask in a higher folder",
            ),
        ),
    )


def test_s2_the_owners_own_settings_are_no_repositorys() -> None:
    """In the home of the account itself, but nowhere else of that name."""
    paths = ["/home/me/.claude/settings.json", "/home/me/x/.claude/settings.json"]
    body = encode([Record(kind="too-large", name=path.encode()) for path in paths])
    found = read_folder(body, home=PurePath("/home/me"))

    assert [each.path for each in found.files] == paths[1:]


def test_s2_more_files_than_there_can_be() -> None:
    """Are no folder's, and would take long to look at."""
    body = b"file 2 a\n{}\n"

    assert len(read_folder(body * 193, home=None).files) == 193
    with pytest.raises(ValueError, match="more files"):
        read_folder(body * 194, home=None)


def test_s2_nothing_else_of_a_file_is_kept() -> None:
    """Other variables may be keys; what is kept is not printed either."""
    secret = canary("settings")
    found = read(f'{{"env": {{"ANTHROPIC_API_KEY": "{secret}", "{URL}": "{secret}"}}}}')

    assert [name for name, _ in found.variables] == [URL]
    assert secret not in repr(found)
    assert secret not in repr(Folder(variables=((URL, secret),), files=(found,)))
