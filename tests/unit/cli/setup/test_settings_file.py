"""Another tool's file: backed up, replaced whole, put back."""

from pathlib import Path

import pytest

from credward.cli.setup.settings_file import Change, Memory, apply, diff, read, replace, take_back
from credward.errors import BrokerError

TEXT = '{\n  "theme": "dark",\n  "apiKeyHelper": "theirs"\n}\n'


def test_apply_and_take_back_are_exact() -> None:
    """What was there comes back, what we made goes, object and all."""
    after, changes = apply(TEXT, {("apiKeyHelper",): "ours", ("env", "TTL"): "1"})

    assert take_back(after, changes) == TEXT
    assert apply(after, {("apiKeyHelper",): "ours", ("env", "TTL"): "1"}) == (after, [])


def test_what_others_changed_since_stays_theirs() -> None:
    """Only members that still hold our value are taken back."""
    after, changes = apply(TEXT, {("apiKeyHelper",): "ours", ("env", "TTL"): "1"})
    changed = after.replace('"ours"', '"newer"').replace('"dark"', '"light"')

    back = take_back(changed, changes)
    assert '"newer"' in back
    assert '"light"' in back
    assert "TTL" not in back


def test_replace_backs_up_and_keeps_mode_and_link(tmp_path: Path) -> None:
    """The backup is private, the link stays a link."""
    real = tmp_path / "real.json"
    real.write_text(TEXT)
    real.chmod(0o644)
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    backup = replace(link, "{}\n", stamp="x")

    assert link.is_symlink()
    assert read(link) == "{}\n"
    assert real.stat().st_mode & 0o777 == 0o644
    assert backup is not None
    assert backup.read_text() == TEXT
    assert backup.stat().st_mode & 0o777 == 0o600


def test_line_ends_survive(tmp_path: Path) -> None:
    """Bytes in, bytes out."""
    path = tmp_path / "s.json"
    replace(path, '{\r\n  "a": 1\r\n}', stamp="x")

    assert path.read_bytes() == b'{\r\n  "a": 1\r\n}'


def test_memory_keeps_what_was_changed(tmp_path: Path) -> None:
    """Between two runs of the command."""
    memory = Memory(tmp_path / "state" / "m.json")
    changes = {"/x": [Change(path=["a"], before=None, after="b")]}
    memory.save(changes)

    assert memory.load() == changes
    assert Memory(tmp_path / "none").load() == {}


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    """Not UTF-8: refused, not guessed."""
    path = tmp_path / "s.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BrokerError):
        read(path)

    assert "+b" in diff(path, "a\n", "b\n")
