"""No secret survives the mask: of any form, and in whatever text a program writes it into."""

from __future__ import annotations

import json
import random
import string
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from credward.cli.excerpt import shown_line
from credward.masking import last_line, masked, masked_members
from examples import examples

pytestmark = pytest.mark.examples

# Of a secret, nothing this long may be seen (characters).
PIECE = 8
ALPHANUMERIC = string.ascii_letters + string.digits
BASE64URL = ALPHANUMERIC + "-_"
MARKS = "!#$%^*()_+-=@/:;,.?~|<>{}[]"


def word(draw: random.Random, alphabet: str, shortest: int, longest: int) -> str:
    return "".join(draw.choices(alphabet, k=draw.randint(shortest, longest)))


# What a vendor or a person makes; the first group looks random wherever it stands.
TOKENS: dict[str, Callable[[random.Random], str]] = {
    "aws": lambda draw: word(draw, ALPHANUMERIC + "/+", 40, 40),
    "anthropic": lambda draw: "sk-ant-api03-" + word(draw, BASE64URL, 80, 90),
    "github": lambda draw: "ghp_" + word(draw, ALPHANUMERIC, 36, 36),
    "vault": lambda draw: "hvs." + word(draw, ALPHANUMERIC, 24, 90),
    "jwt": lambda draw: ".".join(["eyJ" + word(draw, BASE64URL, 20, 90) for _ in "123"]),
    "azure": lambda draw: word(draw, ALPHANUMERIC + "+/", 86, 86) + "==",
    "sas": lambda draw: word(draw, ALPHANUMERIC, 40, 43) + "%3D",
    "hex": lambda draw: word(draw, "0123456789abcdef", 32, 64),
    "uuid": lambda draw: "-".join(word(draw, "0123456789abcdef", n, n) for n in (8, 4, 4, 4, 12)),
}
PASSWORDS: dict[str, Callable[[random.Random], str]] = {
    "word": lambda draw: word(draw, string.ascii_lowercase, 8, 12),
    "marks": lambda draw: "c" + word(draw, ALPHANUMERIC + MARKS, 9, 30) + "y",
}
PHRASES: dict[str, Callable[[random.Random], str]] = {
    "phrase": lambda draw: " ".join(word(draw, string.ascii_lowercase, 3, 9) for _ in "1234"),
    "quotes": lambda draw: "c" + word(draw, ALPHANUMERIC + " \\\"'" + MARKS, 9, 30) + "y",
}
NAMES = (
    "password,secret,token,api_key,apikey,x-api-key,private-key,db_pw,DB_PASS,clientSecret,"
    "AWS_SECRET_ACCESS_KEY,refresh_token,AccountKey,SharedAccessSignature,pin"
).split(",")


def toml(name: str, secret: str) -> str:
    return f'[a]\n{name} = {json.dumps(secret, ensure_ascii=True)}\nregion = "eu"'


def shell(name: str, secret: str) -> str:
    quoted = "'" + secret.replace("'", "'\\''") + "'"
    return f"+ export {name}={quoted} REGION=eu"


# Texts that take every secret, since they have quotes for it.
QUOTING: dict[str, Callable[[str, str], str]] = {
    "JSON": lambda name, secret: json.dumps({"a": 1, name: secret, "region": "eu"}),
    "escaped JSON": lambda name, secret: json.dumps({"b": json.dumps({name: secret, "c": 1})}),
    "twice escaped": lambda name, secret: json.dumps(json.dumps(json.dumps({name: secret}))),
    "TOML": toml,
    "shell": shell,
    "YAML": lambda name, secret: f"a:\n  {name}: {json.dumps(secret)}\n  b: c",
    "list": lambda name, secret: json.dumps(["x", f"--{name}", secret, "-v"]),
    "structure": lambda name, secret: json.dumps({name: {"a": [secret], "b": secret}}),
    "Python": lambda name, secret: f"Config(a=1, {name}={secret!r}) failed",
    "bytes": lambda name, secret: f"bad {name}={secret.encode()!r}",
    "label": lambda name, secret: json.dumps([{"name": name, "value": secret}, {"name": "a"}]),
    "label behind": lambda name, secret: json.dumps({"value": secret, "name": name}),
    "pair": lambda name, secret: f"headers: {[(name, secret), ('a', 'b')]!r}",
}
# And those that end a value at the end of the line.
LINES: dict[str, Callable[[str, str], str]] = {
    "INI": lambda name, secret: f"[a]\n{name} = {secret}\nregion = eu",
    "YAML line": lambda name, secret: f"a:\n  - {name}: {secret}\n  - b: c",
    "below": lambda name, secret: f"a:\n  {name}:\n    {secret}\n  b: c",
    "list below": lambda name, secret: f"{name}:\n- {secret}\n- {secret}\nb: c",
    "block": lambda name, secret: f"a:\n  {name}: |\n    {secret}\n    {secret}\n",
    "header": lambda name, secret: f"> {name}: {secret}\r\n> Accept: */*",
    "env file": lambda name, secret: f"{name.upper()}={secret}",
    "cookies": lambda name, secret: f"sent Cookie: a={secret}; {name}={secret}",
    "digest": lambda _, secret: f"Authorization: Digest username=x, response={secret}",
}
# And those that end it at a space.
SPACES: dict[str, Callable[[str, str], str]] = {
    "environment": lambda name, secret: f"ran with {name}={secret} A=b",
    "option": lambda name, secret: f"curl --{name} {secret} https://example.com",
    "bearer": lambda _, secret: f"sent Authorization: Bearer {secret} and got 401",
    "user": lambda _, secret: f"curl -s -u ada:{secret} https://example.com",
    "user, glued": lambda _, secret: f"curl -s -uada:{secret} https://example.com",
    "setx": lambda name, secret: f"ran setx {name.upper()} {secret} /M",
    "fish": lambda name, secret: f"set -gx {name} {secret}\n",
    "netrc": lambda _, secret: f"machine example.com login ada password {secret} account x",
    "p, glued": lambda _, secret: f"mysql -h db -p{secret} -v",
    "p": lambda _, secret: f"mysql -h db -p {secret} -v",
    "URL": lambda _, secret: f"dial postgres://ada:{secret}@db.example.com:5432/app: refused",
    "query": lambda name, secret: f"GET https://example.com/a?b=c&{name}={secret}&d=e 403",
}
# And those that say nothing of it.
BARE: dict[str, Callable[[str, str], str]] = {
    "traceback": lambda _, secret: f"Traceback (most recent call last):\nValueError: {secret!r}",
    "sentence": lambda _, secret: f"cannot use {secret}, log in again",
    "path": lambda _, secret: f"https://hooks.example.com/services/{secret}",
}


def pieces(secret: str) -> set[str]:
    return {secret[at : at + PIECE] for at in range(len(secret) - PIECE + 1)}


def seen(secret: str, text: str, shown: str) -> list[str]:
    """Return what of *secret* is in *shown*, as it is in *text*: also escaped in any way."""
    forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    return [each for form in forms if form in text for each in pieces(form) if each in shown]


def check(text: str, secret: str, *, bare: bool = False) -> None:
    lines = range(1, text.count("\n") + 2)
    for shown in (masked(text), last_line(text), *(shown_line(text, each) for each in lines)):
        assert seen(secret, text, shown) == [], (text, shown)
    if not bare:
        shown = masked_members(text)
        assert seen(secret, text, shown) == [], (text, shown)
        assert shown.count("\n") == text.count("\n")


def cases(*groups: dict[str, Callable[..., str]]) -> list[str]:
    return [name for group in groups for name in group]


@pytest.mark.parametrize("carrier", cases(QUOTING))
@pytest.mark.parametrize("form", cases(TOKENS, PASSWORDS, PHRASES))
@settings(max_examples=examples(40))
@given(name=st.sampled_from(NAMES), draw=st.integers(0, 2**64))
def test_a_value_in_quotes_is_gone(carrier: str, form: str, name: str, draw: int) -> None:
    """With spaces, marks, and escaped quotes in it."""
    secret = {**TOKENS, **PASSWORDS, **PHRASES}[form](random.Random(draw))

    check(QUOTING[carrier](name, secret), secret)


@pytest.mark.parametrize("carrier", cases(LINES))
@pytest.mark.parametrize(
    "form",
    cases(
        TOKENS,
        PASSWORDS,
    ),
)
@settings(max_examples=examples(40))
@given(name=st.sampled_from(NAMES), draw=st.integers(0, 2**64))
def test_a_value_up_to_the_end_of_a_line_is_gone(
    carrier: str, form: str, name: str, draw: int
) -> None:
    """With marks in it."""
    secret = {**TOKENS, **PASSWORDS}[form](random.Random(draw))

    check(LINES[carrier](name, secret), secret)


@pytest.mark.parametrize("carrier", ["INI", "YAML line", "block", "header", "env file", "digest"])
@settings(max_examples=examples(40))
@given(name=st.sampled_from(NAMES), draw=st.integers(0, 2**64))
def test_a_phrase_up_to_the_end_of_a_line_is_gone(carrier: str, name: str, draw: int) -> None:
    """All of its words."""
    secret = PHRASES["phrase"](random.Random(draw))

    check(LINES[carrier](name, secret), secret)


@pytest.mark.parametrize("carrier", cases(SPACES))
@pytest.mark.parametrize("form", cases(TOKENS, PASSWORDS))
@settings(max_examples=examples(40))
@given(name=st.sampled_from(NAMES), draw=st.integers(0, 2**64))
def test_a_value_up_to_a_space_is_gone(carrier: str, form: str, name: str, draw: int) -> None:
    """With marks in it."""
    secret = {**TOKENS, **PASSWORDS}[form](random.Random(draw))

    check(SPACES[carrier](name, secret), secret)


@pytest.mark.parametrize("carrier", cases(BARE))
@pytest.mark.parametrize("form", cases(TOKENS))
@settings(max_examples=examples(100))
@given(draw=st.integers(0, 2**64))
def test_a_token_without_a_name_is_gone(carrier: str, form: str, draw: int) -> None:
    """By its look alone."""
    secret = TOKENS[form](random.Random(draw))

    check(BARE[carrier]("", secret), secret, bare=True)


PIECES_OF_TEXT = st.sampled_from(
    [
        "token",
        "=",
        ":",
        " ",
        "\n",
        '"',
        "'",
        '\\"',
        "\\",
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ";",
        "&",
        "-p",
        "-u",
        "--password",
        "https://",
        "@",
        "?",
        "Bearer ",
        "abc",
        "export ",
        "`",
        "|",
        '"""',
        "-----BEGIN KEY-----",
        "-----END KEY-----",
        "<token>",
        "<",
        ",",
        "\t",
        "é",
        "\x00",
        "A1b2C3",
    ]
)


@settings(max_examples=examples(2000))
@given(st.lists(PIECES_OF_TEXT, max_size=30).map("".join))
@example("token=" * 5)
def test_any_text_is_masked_to_lines_that_were_there(text: str) -> None:
    """Nothing fails, no line is added or lost, and what is masked once stays so."""
    shown = masked(text)

    assert shown.count("\n") == text.count("\n")
    assert masked_members(text, "").count("\n") == text.count("\n")


@pytest.mark.parametrize(
    "piece",
    [
        "a", " ", "\\", '"', "'", "-", "A", "=", ":", "@", "?", "/", "{", "eyJ", "://", "a1", '\\"',
        "key:\n  a\n", "- key:\n", "\n  a", 'value="', "value='a' ", 'name="', "('key', '", "(", "set -a ",
        "login a password ", "login ", "mysql -p", "-ua:", "a key: b ", "credentials.a: ", "no,",
        "key=", "key=a ", "key={", 'key="', "key='a' ", ";key=a", "&key=a", "-p ", '-p "', "-b x ",
        "Bearer ", "https://a:b@c ", "https://a:b", "token: |\n a\n", "-----BEGIN KEY-----", '"""',
        '"key": ', '\\"key\\": \\"', "key=b", "<key>", "\n", "key: \n", "a@b:c@", "key=f(", "request id ",
    ],
)  # fmt: skip
def test_twice_the_text_takes_twice_the_time(piece: str) -> None:
    """A line of a megabyte, too: no expression tries the same characters again and again."""

    def seconds(size: int) -> float:
        text = "'" + piece * (size // len(piece))
        taken = []
        for _ in range(2):
            began = time.process_time()
            masked(text)
            taken.append(time.process_time() - began)
        return min(taken)

    # A megabyte is read, and not looked at again and again.
    small, large = seconds(25_000), seconds(100_000)
    # Four times the text; the square would be sixteen times.
    assert large < 9 * max(small, 0.01)
