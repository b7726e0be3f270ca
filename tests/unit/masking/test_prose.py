"""What after the name of a secret is a sentence, a state or a placeholder."""

from __future__ import annotations

import pytest

from credward.masking.prose import is_no_value, is_prose, is_subject


@pytest.mark.parametrize(
    "rest",
    [
        "invalid_grant",
        "ExpiredToken",
        "/home/alice/.ssh/id_ed25519",
        "https://login.example.com/token",
        "403 Forbidden",
        "open the file",
        "x509: not trusted",
    ],
)
def test_a_cause_is_prose(rest: str) -> None:
    """After a word that is no name of a setting."""
    assert is_prose("token", rest, 0, len(rest))


@pytest.mark.parametrize(
    "rest",
    ["swordfish", "hunter2 for ada", "1234", "", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY at"],
)
def test_a_secret_is_no_prose(rest: str) -> None:
    """The last word of a line, one with digits, one that looks random."""
    assert not is_prose("token", rest, 0, len(rest))


def test_only_a_word_has_prose_behind_it() -> None:
    """A name of a setting has a value."""
    assert is_prose("passphrase", "run it", 0, 6)
    assert not is_prose("x-api-key", "run it", 0, 6)
    assert is_prose("invalid_token", "run it", 0, 6)


def test_a_message_about_a_table_of_ours_has_a_subject() -> None:
    """Its name may be any; a value of one word is no message."""
    for rest in ('"provider" is missing', "unknown provider", "must be a table"):
        assert is_subject("credentials.bad", rest, 0, len(rest))
    assert not is_subject("credentials.bad", '"a b"', 0, 5)
    assert not is_subject("credentials.bad", "hunter2", 0, 7)
    assert not is_subject("credentials.bad.secret", '"hunter2" is', 0, 12)


@pytest.mark.parametrize(
    ("text", "to_end", "sentence", "expected"),
    [
        ("none", False, False, True),
        ("none x", False, False, True),
        ("none,x", False, False, False),
        ("no.hunter2", False, False, False),
        ('null,"a":1', False, False, True),
        (r"null,\"a\":1", True, True, True),
        ("none x", True, True, False),
        ("none # x", True, False, True),
        ("expired, log in", True, True, True),
        ("expired, log in", True, False, False),
        ("...", False, False, True),
    ],
)
def test_a_state_is_no_value(text: str, to_end: bool, sentence: bool, expected: bool) -> None:
    """If it is all of it."""
    assert is_no_value(text, 0, to_end=to_end, sentence=sentence) is expected
