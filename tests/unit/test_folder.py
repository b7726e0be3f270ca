"""The frame in which a caller hands over its folder."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.folder import Record, decode
from fakes.folder_body import encode

names = st.binary(min_size=1, max_size=40)
records = st.one_of(
    st.builds(
        Record,
        kind=st.sampled_from(["variable", "file"]),
        name=names,
        content=st.binary(max_size=200),
    ),
    st.builds(Record, kind=st.sampled_from(["unreadable", "too-large"]), name=names),
)


@given(st.lists(records, max_size=8))
def test_there_and_back(found: list[Record]) -> None:
    """Whatever bytes a path or a file holds."""
    assert list(decode(encode(found))) == found


@given(st.binary(max_size=200))
def test_anything_is_read_or_refused(body: bytes) -> None:
    """Never another error, and never a record that the body does not hold."""
    try:
        found = list(decode(body))
    except ValueError:
        return

    assert sum(len(each.name) + len(each.content) for each in found) <= len(body)


@pytest.mark.parametrize(
    "body",
    [
        b"file 3 /a\nab\n",
        b"file 3 a\nabcd\n",
        b"file 3 a\nabc",
        b"file 03 a\nabc\n",
        b"file -1 a\n\n",
        b"file 3  a\nabc\n",
        b"file 3 a\r\nabc\n",
        b"unreadable \n",
        b"unreadable a b\n",
        b"other 3 a\nabc\n",
        b"\n",
        b"file 3 a\nabc\n\n",
    ],
)
def test_what_is_in_another_shape(body: bytes) -> None:
    """One shape only: two readers would understand the others differently."""
    with pytest.raises(ValueError, match="record"):
        list(decode(body))
