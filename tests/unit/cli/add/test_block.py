"""One block in a text: everything else stays as it is."""

from __future__ import annotations

import tomllib

import pytest

from credward.cli.add.block import Wanted, block_text, split_word, with_block, with_default
from credward.errors import BrokerError, Kind

BEFORE = """\
# mine
default = "a"   # why

[credentials.a]  # head
provider = "oauth"   # how
# a note
issuer = "https://x.example.com"
client_id = "c"

# about b
[credentials.b]
provider = "local"
"""


def wanted(**words: str) -> Wanted:
    return Wanted(name="a", provider="oauth", words=tuple(words.items()))


def test_the_old_block_keeps_its_comments_and_its_place() -> None:
    """Values change, keys go and come; the note of the next block stays with that."""
    fresh = wanted(issuer="https://y.example.com", scope="s")
    after = with_block(BEFORE, fresh)

    assert after == (
        BEFORE.replace("https://x", "https://y").replace('client_id = "c"\n', 'scope = "s"\n')
    )


@pytest.mark.parametrize(
    "before",
    [
        '[credentials]\na = { provider = "local", lifetime = 3 }\nb = { provider = "local" }\n',
        '[credentials]\na.provider = "local"\nb.provider = "local"\n',
        '[credentials.a]\nprovider = "local"\n[credentials.a.serve]\nscopes = ["x"]\n',
        '[credentials.a]\r\nprovider = "local"\r\n\r\n[credentials.b]\r\nprovider = "local"\r\n',
        '[credentials.b]\nprovider = "local"\n\n[credentials.a]\nprovider = "local"',
    ],
    ids=["inline", "dotted", "nested", "crlf", "no end"],
)
def test_a_block_in_any_form_is_replaced_or_refused(before: str) -> None:
    """Never something else than what was wanted."""
    fresh = wanted(issuer="https://y.example.com", client_id="c")
    try:
        after = with_block(before, fresh)
    except BrokerError as error:
        assert error.kind is Kind.BAD_REQUEST
        assert "run credward config edit" in error.message
    else:
        expected = tomllib.loads(before)
        expected["credentials"]["a"] = tomllib.loads(block_text(fresh))["credentials"]["a"]
        assert tomllib.loads(after) == expected


def test_an_unchanged_block_is_unchanged() -> None:
    """Whatever its spacing."""
    before = '[credentials.a]\nprovider   =   "local"\nlifetime = 600 # s\n'
    same = Wanted(name="a", provider="local", words=(("lifetime", "600"),))

    assert with_block(before, same) == before


def test_another_default_is_told() -> None:
    """With the one that it was."""
    after, before = with_default(BEFORE, "b")

    assert before == "a"
    assert after == BEFORE.replace('default = "a"', 'default = "b"')


@pytest.mark.parametrize("word", ["lifetime", "=3", "a..b=3", ".a=3"])
def test_what_is_no_pair_is_refused(word: str) -> None:
    """With one that is."""
    with pytest.raises(BrokerError, match="write --set lifetime=600"):
        split_word(word)


def test_keys_that_exclude_each_other_are_refused() -> None:
    """A value cannot be a table too."""
    both = Wanted(name="a", provider="local", words=(("serve", "3"), ("serve.scopes", "[]")))
    with pytest.raises(BrokerError, match="exclude each other"):
        block_text(both)
