"""Every complaint can name its line."""

import pytest

from credward.config.locate import Locator

TEXT = '''# [not.a.table]
default = "a"

[credentials.a]
provider = "local"
text = """
[credentials.fake]
provider = "x"
"""
[credentials."b.c"]   # note
serve.scopes = ["x"]
[credentials.'d']
[credentials.d.serve]
audiences = []
[[sinks]]
kind = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("default",), 2),
        (("credentials", "a"), 4),
        (("credentials", "a", "provider"), 5),
        (("credentials", "b.c"), 10),
        (("credentials", "b.c", "serve", "scopes"), 11),
        (("credentials", "d"), 12),
        (("credentials", "d", "serve", "audiences"), 14),
        (("sinks",), 15),
        (("credentials", "a", "unknown"), 4),
        (("nowhere",), 1),
    ],
)
def test_finds_tables_keys_and_the_nearest_above(path: tuple[str, ...], line: int) -> None:
    """Comments and multi-line strings are no tables."""
    assert Locator(TEXT).line(*path) == line
