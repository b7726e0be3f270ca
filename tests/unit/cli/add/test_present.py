"""The default answers for a block that exists."""

from __future__ import annotations

import tomllib

from credward.cli.add.block import Wanted, block_text
from credward.cli.add.choice import Choice
from credward.cli.add.choices import general_choices
from credward.cli.add.present import answer_now, is_of, other_words, program_now

_BLOCK = {
    "provider": "oauth",
    "issuer": "https://login.example.com",
    "client_id": "123",
    "base_url": "https://llm.example.com",
    "default_lifetime": 600,
    "audiences": ["a", "b"],
    "serve": {"scopes": ["x"]},
    "token_endpoint": "https://login.example.com/token",
}


def choice_of(provider: str) -> Choice:
    (found,) = [each for each in general_choices() if each.provider == provider]
    return found


def test_the_choice_that_made_a_block_is_found() -> None:
    """By its provider and its words."""
    assert [each.provider for each in general_choices() if is_of(each, _BLOCK)] == ["oauth"]
    assert not any(is_of(each, {}) for each in general_choices())
    program = {"provider": "command", "command": ["/bin/echo", "a b"]}
    assert is_of(choice_of("command"), program)
    assert program_now(program) == "/bin/echo 'a b'"


def test_only_text_is_an_answer() -> None:
    """A list or a number is not typed at a question."""
    assert answer_now(_BLOCK, "client_id") == "123"
    assert answer_now(_BLOCK, "audiences") is None
    assert answer_now(_BLOCK, "scope") is None


def test_what_nobody_is_asked_about_stays_as_it_is() -> None:
    """Each value with its type."""
    words = other_words(choice_of("oauth"), _BLOCK)
    text = block_text(Wanted(name="x", provider="oauth", words=words))

    asked = {"issuer", "client_id", "base_url"}
    expected = {key: value for key, value in _BLOCK.items() if key not in asked}
    assert tomllib.loads(text)["credentials"]["x"] == expected
