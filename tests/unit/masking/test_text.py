"""What is masked in a line of others, and what stays readable."""

from __future__ import annotations

import random
import string

import pytest

from credward.masking import MASK, is_secret_name, last_line, masked


@pytest.mark.parametrize(
    "text",
    [
        "ERROR: Please run 'az login' to setup account.",
        "AADSTS70043: The refresh token has expired (sign-in frequency)",
        "no such profile: my-project-123456 in eu-central-1",
        "FileNotFoundError: [Errno 2] /usr/lib/python3.11/site-packages/tool.py",
        "CredentialUnavailableError: cannot reach login.example.com:443",
        "invalid_grant, ask 123456789012",
    ],
)
def test_what_helps_stays(text: str) -> None:
    """Error codes, hosts, paths, regions, accounts."""
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=hunter2 refused", f"password={MASK} refused"),
        ('{"api_key": "short"}', f'{{"api_key": "{MASK}"}}'),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {MASK}"),
        ("Authorization: Token abc", f"Authorization: Token {MASK}"),
        ("ran x --password hunter2", f"ran x --password {MASK}"),
        ("pw=a pwd=b sig=c auth: d", f"pw={MASK} pwd={MASK} sig={MASK} auth: {MASK}"),
        ("sent bearer xyz, got 401", f"sent bearer {MASK}, got 401"),
        ("GET https://me:pw@llm.example.com/x", f"GET https://{MASK}@llm.example.com/x"),
        ("see https://llm.example.com/x?sig=1 now", f"see https://llm.example.com/x?{MASK} now"),
        ("AKIAIOSFODNN7EXAMPLE is unknown", f"{MASK} is unknown"),
        ("id 0b5e3f4a-1c2d-4e5f-8a9b-0c1d2e3f4a5b", f"id {MASK}"),
    ],
)
def test_what_may_be_a_secret_is_masked(text: str, expected: str) -> None:
    """By its name, its place or its look."""
    assert masked(text) == expected


@pytest.mark.parametrize(
    "alphabet",
    [
        "0123456789abcdef",
        string.ascii_letters + string.digits + "-_",
        string.ascii_letters + string.digits + "+/",
        string.ascii_uppercase + string.digits,
    ],
    ids=["hex", "base64url", "base64", "upper"],
)
@pytest.mark.parametrize("seed", range(50))
def test_random_words_are_masked(alphabet: str, seed: int) -> None:
    """Wherever they stand, and with any prefix."""
    word = "".join(random.Random(seed).choices(alphabet, k=32))
    for text in (f"got {word}", f"sk-ant-api03-{word}", f"/tmp/{word}.json", f"'{word}'"):
        assert word not in masked(text)


def test_words_that_are_known_are_masked() -> None:
    """Even a short one, as what the program printed."""
    assert masked("cannot use opaque-1 here", ["opaque-1"]) == f"cannot use {MASK} here"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\ntwo\n\n", "two"),
        ("", ""),
        ("\x1b[31mred\x1b[0m\r\n", "red"),
        ("10 %\r20 %\rdone", "done"),
        ("a\tb\x07", "a b"),
        ("x y " * 100, "x y " * 74 + "x y…"),
    ],
)
def test_the_last_line_is_plain(text: str, expected: str) -> None:
    """One that says something, and nothing that steers a terminal."""
    assert last_line(text) == expected


def test_a_secret_at_the_cut_is_masked_before_it() -> None:
    """Its first half would be a word like any other."""
    assert "opaq" not in last_line("x " * 147 + "opaque-one", ["opaque-one"])


def test_names_of_secrets_are_known() -> None:
    """In the words of configurations."""
    assert all(map(is_secret_name, ("client_secret", "api_key", "OPENAI_API_KEY", "passwd")))
    assert not any(map(is_secret_name, ("provider", "issuer", "lifetime")))
