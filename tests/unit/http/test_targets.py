"""The request target, decoded once and strictly."""

from __future__ import annotations

import pytest

from credward.http.messages import RefusedRequest
from credward.http.targets import read_target


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", "/", {}),
        (b"/a/b", "/a/b", {}),
        (b"/a?", "/a", {}),
        (b"/a?b", "/a", {"b": ""}),
        (b"/a?b=c=d&e", "/a", {"b": "c=d", "e": ""}),
        (b"/a?&&b=1&", "/a", {"b": "1"}),
        (b"/a?scope=x+y%2Bz", "/a", {"scope": "x y+z"}),
        (b"/%67ateway", "/gateway", {}),
        (b"/a?u=https%3A%2F%2Fh%2F%3Fq", "/a", {"u": "https://h/?q"}),
        (b"/a?u=https://h/?q", "/a", {"u": "https://h/?q"}),
        (b"/a?n=%C3%A9", "/a", {"n": "é"}),
        (b"//host/a", "//host/a", {}),
    ],
)
def test_decodes_each_part_once(target, path, query):
    """Escapes are resolved after splitting, exactly once."""
    assert (path, query) == read_target(target)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"", 400),
        (b"*", 400),
        (b"a/b", 400),
        (b"@attacker/v1", 400),
        (b"http://credward/v1", 400),
        (b"/a#b", 400),
        (b"/\xc3\xa9", 400),
        (b"/a?b=%c3", 400),
        (b"/a?b=%0a", 400),
        (b"/a?b=%", 400),
        (b"/a?b=1&%62=2", 400),
        (b"/..%2f..%2fetc", 404),
        (b"/%2e%2e%252f", 404),
    ],
)
def test_r10_refuses_tricks(target, status):
    """R10: other forms, broken or double escapes and escaped slashes never reach a route."""
    with pytest.raises(RefusedRequest) as caught:
        read_target(target)

    assert status == caught.value.status
