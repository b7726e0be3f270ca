"""Values whose name is the value of another member."""

from __future__ import annotations

import pytest

from credward.masking.labels import labelled, paired
from credward.masking.strings import Source


@pytest.mark.parametrize(
    "text",
    [
        "name=DB_PASSWORD, value=|x",
        'Key": "token", "Value": |"x"',
        r"name\":\"token\",\"value\":|\"x\"",
        "name: TOKEN\n    value: |x",
        "name: TOKEN\n+    value: |x",
        'value": |"x", "name": "token"',
        'value": "x", "name": "region"',
        'name": "region", "value": "x"',
        'name": "token", "type": "x"',
        "value: x",
        "value",
        'other": "token", "value": "x"',
    ],
)
def test_a_value_is_found_beside_its_label(text: str) -> None:
    """At the bar, if there is one."""
    source = Source(text.replace("|", ""))
    word = next(each for each in ("name", "Key", "value", "other") if text.startswith(each))

    assert labelled(source, word, 0) == (text.index("|") if "|" in text else None)


@pytest.mark.parametrize(
    "text",
    [
        "('password', |'x')",
        "(b'x-api-key', |b'x')",
        '("TOKEN", |"x", 1)',
        "('password', 'token', 'id')",
        "('region', 'eu')",
        "('password')",
        "(password, 'x')",
    ],
)
def test_the_second_of_a_pair_is_found(text: str) -> None:
    """At the bar, if there is one; a prefix of bytes is before it."""
    at = paired(Source(text.replace("|", "")), 0)

    assert at == (text.replace("|b", "b|").index("|") if "|" in text else None)
