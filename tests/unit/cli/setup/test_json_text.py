"""Changing members of a JSON text leaves every other byte as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from credward.cli.setup.json_text import get_member, remove_member, set_member
from credward.cli.setup.unreadable import UnreadableError

TEXTS = [
    "",
    "{}",
    '{\n  "a": 1\n}\n',
    '{\r\n\t"env": {"X": "1"},\r\n\t"z": [1,\r\n 2]\r\n}',
    '{"a":1,"env":{}}',
    '\ufeff{"h": "old"}\n',
    '{\n    "env": {\n        "A": "}\\"{"\n    },\n    "b": null\n}',
]


@pytest.mark.parametrize("text", TEXTS)
def test_sets_members_and_keeps_the_others(text: str) -> None:
    """The result says what was wanted, and everything that was there before."""
    after = set_member(set_member(text, ("h",), "new"), ("env", "T"), "1")

    value = json.loads(after.removeprefix("\ufeff"))
    before = json.loads(text.removeprefix("\ufeff") or "{}")
    assert value == {**before, "h": "new", "env": {**before.get("env", {}), "T": "1"}}
    assert after.startswith("\ufeff") == text.startswith("\ufeff")


@pytest.mark.parametrize("text", [each for each in TEXTS if each not in {"", "{}"}])
def test_taking_back_what_was_added_gives_the_same_bytes(text: str) -> None:
    """Adding and removing a member is no change at all."""
    after = set_member(text, ("new",), {"deep": [1, 2]})

    assert remove_member(after, ("new",)) == text


@pytest.mark.parametrize(
    "text", ['{"a": 1,}', "[]", '{"a": 1} // note', '{"a": 1, "a": 2}', '{"a"', "nonsense"]
)
def test_what_is_no_plain_json_object_is_refused(text: str) -> None:
    """Rather no change than a wrong one."""
    with pytest.raises(UnreadableError) as caught:
        set_member(text, ("a",), 1)

    assert "JSON" in str(caught.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    value=st.dictionaries(st.text(), JSON, max_size=4),
    indent=st.sampled_from([None, 0, 2, 4, "\t"]),
    key=st.text(min_size=1),
    fresh=JSON,
)
def test_any_object_any_member(
    value: dict[str, object], indent: int | str | None, key: str, fresh: object
) -> None:
    """Whatever the file, the member reads back and the rest is equal."""
    text = json.dumps(value, indent=indent)
    after = set_member(text, (key,), fresh)

    assert get_member(after, (key,)) == fresh
    assert json.loads(after) == {**value, key: fresh}
    assert json.loads(remove_member(after, (key,))) == {
        name: each for name, each in value.items() if name != key
    }
