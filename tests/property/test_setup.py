"""Any number of set-ups of one settings file, with any variables, are undone to the byte."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from credward.cli.setup.record import Record
from credward.cli.setup.settings_file import apply, put_back, read, replace, undone
from credward.cli.setup.variables import chosen_variables

NAMES = ("ANTHROPIC_MODEL", "DISABLE_PROMPT_CACHING", "B")
VALUES = st.sampled_from(["1", "a=b", '\u00fc \\ "', ""])
# One run: the credential, its base URL if it has one, the words of --env.
RUNS = st.lists(
    st.tuples(
        st.sampled_from(["exec helper a", "exec helper b"]),
        st.sampled_from([None, "https://a.example", "https://b.example"]),
        st.dictionaries(st.sampled_from(NAMES), VALUES),
    ),
    min_size=1,
    max_size=5,
)
# Taken out alone, null comes back as nothing, which means the same.
LEAVES = st.one_of(st.booleans(), st.integers(), st.text(max_size=4))
FILES = st.dictionaries(
    st.sampled_from(["theme", "apiKeyHelper", "permissions"]), LEAVES | st.lists(LEAVES, max_size=2)
)
ENV = st.none() | st.dictionaries(
    st.sampled_from([*NAMES, "ANTHROPIC_BASE_URL", "C"]), st.text(max_size=4)
)
LAYOUTS = st.sampled_from([(None, "\n"), (2, "\n"), ("\t", "\r\n")])


def set_up(path: Path, record: Record | None, run: tuple[Any, ...]) -> tuple[Record | None, dict]:
    """Do what `setup claude-code` does, and return what is remembered and what was chosen."""
    helper, base_url, words = run
    before = read(path)
    mine = chosen_variables([], before, record)
    # K= of a variable that is not ours is refused.
    words = {name: value for name, value in words.items() if value or name in mine}
    variables = chosen_variables(
        [f"{name}={value}" for name, value in words.items()], before, record
    )
    wanted: dict[tuple[str, ...], Any] = {("apiKeyHelper",): helper}
    wanted |= {("env", "ANTHROPIC_BASE_URL"): base_url} if base_url else {}
    wanted |= {("env", name): value for name, value in variables.items()}
    after, changes = apply(before, wanted, record)
    if after == before:
        return record, wanted
    return Record.of(record, before, after, changes, replace(path, after, stamp="x")), wanted


@given(FILES, ENV, LAYOUTS, RUNS, st.booleans())
def test_undo_restores_every_byte(
    file: dict[str, Any],
    env: dict[str, str] | None,
    layout: tuple[Any, str],
    runs: list[tuple[Any, ...]],
    exists: bool,
) -> None:
    """With the backup, and by taking out our members alone; each run has what it asked for."""
    indent, newline = layout
    text = json.dumps(file | ({} if env is None else {"env": env}), indent=indent)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "made" / "settings.json"
        if exists:
            path.parent.mkdir()
            path.write_bytes(text.replace("\n", newline).encode())
        was = path.read_bytes() if exists else None
        record = None
        for run in runs:
            record, wanted = set_up(path, record, run)
            now = json.loads(path.read_text())
            for names, value in wanted.items():
                assert (now if len(names) == 1 else now["env"])[names[-1]] == value
        if record is None:
            assert path.read_bytes() == was
            return
        without_backup, _ = undone(path, read(path), Record(changes=record.changes))
        assert json.loads(without_backup or "{}") == (json.loads(text) if exists else {})
        after, whole = undone(path, read(path), record)
        put_back(path, after, record, {})

        assert whole
        assert path.exists() == exists
        assert not exists or path.read_bytes() == was
        assert sorted(each.name for each in Path(folder).rglob("*")) == (
            ["made", "settings.json"] if exists else []
        )
