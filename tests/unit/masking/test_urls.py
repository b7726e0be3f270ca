"""Users, passwords and queries in addresses; scheme, host and path are not among them."""

from __future__ import annotations

import pytest

from credward.masking.urls import places


def shown(text: str) -> str:
    for start, end in sorted(places(text), reverse=True):
        text = f"{text[:start]}*{text[end:]}"
    return text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://h/x", "see https://h/x"),
        ("https://me@h/x", "https://*@h/x"),
        ("https://me:p@s:s/w@h:1/x, then", "https://*@h:1/x, then"),
        ("https://me:p?w#d@h/x?a=b", "https://*@h/x?*"),
        ("https://h:443/x?mail=me@h", "https://h:443/x?*"),
        ("https://h/x#a=b).", "https://h/x#*)."),
        ("https://h/@scope/name", "https://h/@scope/name"),
        ("'https://a:b@h' 'https://c:d@h'", "'https://*@h' 'https://*@h'"),
        ('{"a":"https://a:b@h","c":"d@e"}', '{"a":"https://*@h","c":"d@e"}'),
        ("GET /x?code=a&b=c HTTP/1.1", "GET /x?* HTTP/1.1"),
        ("me:p/w@tcp(h:1)/d", "me:*@tcp(h:1)/d"),
        ("git@example.com:x/y.git", "git@example.com:x/y.git"),
        ("what? no://", "what? no://"),
    ],
)
def test_only_the_secret_parts_are_found(text: str, expected: str) -> None:
    """Also in passwords with marks that a URL should not have."""
    assert shown(text) == expected
