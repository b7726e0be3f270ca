"""Names and values in lines as programs write them: `lines.txt` says what goes and what stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from credward.cli.excerpt import shown_line
from credward.masking import masked, masked_members

# Of a secret, nothing this long may be seen (characters).
PIECE = 8
_MARKED = re.compile("[«»⟨⟩]")
_SECRET, _NEEDED = re.compile("«([^»]*)»"), re.compile("⟨([^⟩]*)⟩")


def lines() -> list[str]:
    text = Path(__file__).with_name("lines.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pieces(secret: str) -> set[str]:
    """Return all that must not be seen of it."""
    long = {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}
    return long or {secret}


@pytest.mark.parametrize("line", lines())
def test_secrets_go_and_what_people_need_stays(line: str) -> None:
    """In text of others, and in an excerpt of a file."""
    text = _MARKED.sub("", line)
    for shown in (masked(text), shown_line(text)):
        if len(shown) < 160:
            assert [each for each in _NEEDED.findall(line) if each not in shown] == [], shown
        for secret in _SECRET.findall(line):
            assert [each for each in pieces(secret) if each in shown] == [], shown


@pytest.mark.parametrize(
    "text",
    [
        "token: |\n  canary of\n  two lines\nafter: this\n",
        'a = """\nb"""\nsecret = """\ncanary of\ntwo lines\n"""\nafter = "this"\n',
        '{\n  "tokens": [\n    "canary",\n    "canary"\n  ],\n  "after": "this"\n}',
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\nafter this\n",
        "canary\nc2Nhbg==\n-----END RSA PRIVATE KEY-----\nafter this\n",
        "key = -----BEGIN PRIVATE KEY-----\ncanary",
        "token:\n  canary2\nafter: this\n",
        "token:\n- canary\n- canary of two words\nafter: this\n",
        "a:\n  token:\n    canary2\n  after: this\n",
        "tokens:\n  user: after\n  password: canary\n",
        "machine db\n  login ada\n  password canary2\nmachine after this\n",
        "- name: DB_PASSWORD\n  value: canary of words\n- name: AFTER\n  value: this after\n",
    ],
)
def test_secrets_of_several_lines_are_masked_in_each(text: str) -> None:
    """What comes after them is not, and the lines are as many as before."""
    shown = masked_members(text)

    assert "canary" not in shown
    assert shown.count("\n") == text.count("\n")
    assert ("after" not in text) or "after" in shown


def test_a_bracket_that_never_ends_is_left_with_its_lines() -> None:
    """An error of a parser is no list of secrets."""
    assert masked("unexpected token: {\nlog in again") == "unexpected token: {\nlog in again"
