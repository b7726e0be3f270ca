"""Secrets that are arguments of commands, and what is none."""

from __future__ import annotations

import pytest

from credward.masking.arguments import after_option, after_words
from credward.masking.strings import Source


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("set -gx TOKEN |x", "set"),
        ("set -U -x TOKEN |x", "set"),
        ("set --export TOKEN |x", "set"),
        ("setx TOKEN |x /M", "setx"),
        ("setenv TOKEN |x", "setenv"),
        ("configure set aws_secret_access_key |x", "configure"),
        ("login ada password |x", "login"),
        ("machine h\n password |x", "machine"),
        ("login with password authentication", "login"),
        ("set gateway-key", "set"),
        ("set -gx REGION eu", "set"),
        ("setx TOKEN", "setx"),
        ("sets TOKEN x", "sets"),
    ],
)
def test_a_secret_is_found_behind_words(text: str, word: str) -> None:
    """At the bar, if there is one."""
    at = after_words(Source(text.replace("|", "")), word, 0)

    assert at == (text.index("|") if "|" in text else None)


@pytest.mark.parametrize(
    ("text", "glued"),
    [
        ("-p |x", False),
        ("-p 8080:80", False),
        ("-p -h", False),
        ("-p /usr/lib", False),
        ("-p|s3cret", False),
        ("-pthread", False),
        ("-p|correct", True),
        ("-u |ada:x", False),
        ("-u ada", False),
        ("-u|ada:x", False),
        ("-u1000:1000", False),
        ("-uri:https://h", False),
        ("-b |a=b", False),
        ("-b file", False),
        ("--password |x", False),
        ("--password --verbose", False),
        ("--region eu", False),
        ("--password", False),
    ],
)
def test_a_secret_is_found_behind_an_option(text: str, glued: bool) -> None:
    """At the bar, if there is one."""
    source = Source(text.replace("|", ""))
    end = min(found for found in (source.text.find(" "), source.text.find(":"), 99) if found >= 0)

    at = after_option(source, source.text[:end], (0, min(end, len(source.text))), glued=glued)
    assert at == (text.index("|") if "|" in text else None)
