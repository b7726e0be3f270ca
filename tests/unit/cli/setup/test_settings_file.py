"""Another tool's file: backed up, replaced whole, put back."""

from pathlib import Path

import pytest

from credward.cli.setup.record import Change, Memory, Record
from credward.cli.setup.settings_file import (
    apply,
    diff,
    read,
    replace,
    undone,
)
from credward.errors import BrokerError

TEXT = '{\n  "theme": "dark",\n  "apiKeyHelper": "theirs"\n}\n'


OURS = {("apiKeyHelper",): "ours", ("env", "TTL"): "1"}


def test_what_is_there_already_is_no_change() -> None:
    """The second time finds nothing to do."""
    after, _ = apply(TEXT, OURS)
    assert apply(after, OURS) == (after, [])


@pytest.mark.parametrize("env", ["", ',\n  "env": {}', ',\n  "env": {"A": "b"}'])
def test_without_the_backup_our_members_are_taken_out(tmp_path: Path, env: str) -> None:
    """What was there comes back, what we made goes, an object that only we needed too."""
    before = TEXT.replace('"theirs"', f'"theirs"{env}')
    path = tmp_path / "s.json"
    path.write_text(before)
    after, changes = apply(before, OURS)

    assert undone(path, after, Record(changes=changes)) == (before, False)


def test_what_others_changed_since_stays_theirs(tmp_path: Path) -> None:
    """Only members that still hold our value are taken back."""
    path = tmp_path / "s.json"
    path.write_text(TEXT)
    after, changes = apply(TEXT, OURS)
    changed = after.replace('"ours"', '"newer"').replace('"dark"', '"light"')

    back, whole = undone(path, changed, Record(changes=changes))
    assert back is not None
    assert '"newer"' in back
    assert '"light"' in back
    assert "TTL" not in back
    assert not whole


def test_replace_backs_up_and_keeps_mode_and_link(tmp_path: Path) -> None:
    """The backup is private, the link stays a link."""
    real = tmp_path / "real.json"
    real.write_text(TEXT)
    real.chmod(0o644)
    link = tmp_path / "settings.json"
    link.symlink_to(real)
    backup = replace(link, "{}\n", stamp="x").backup

    assert link.is_symlink()
    assert read(link) == "{}\n"
    assert real.stat().st_mode & 0o777 == 0o644
    assert backup is not None
    assert backup.read_text() == TEXT
    assert backup.stat().st_mode & 0o777 == 0o600


def test_two_backups_of_one_second_are_two(tmp_path: Path) -> None:
    """What was there first is not written over."""
    path = tmp_path / "s.json"
    path.write_text("1")
    first, second = (replace(path, text, stamp="x").backup for text in ("2", "3"))

    assert first is not None
    assert second is not None
    assert (first.read_text(), second.read_text()) == ("1", "2")


def test_line_ends_survive(tmp_path: Path) -> None:
    """Bytes in, bytes out."""
    path = tmp_path / "s.json"
    replace(path, '{\r\n  "a": 1\r\n}', stamp="x")

    assert path.read_bytes() == b'{\r\n  "a": 1\r\n}'


def test_memory_keeps_what_was_changed(tmp_path: Path) -> None:
    """Between two runs of the command."""
    memory = Memory(tmp_path / "state" / "m.json")
    records = {"/x": Record(changes=[Change(path=["a"], before=None, after="b")])}
    memory.save(records)

    assert memory.load() == records
    assert Memory(tmp_path / "none").load() == {}


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    """Not UTF-8: refused, not guessed."""
    path = tmp_path / "s.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BrokerError):
        read(path)

    assert "+b" in diff(path, "a\n", "b\n")


def test_a_diff_shows_no_secret_that_was_there_before() -> None:
    """In the lines around a change, or in the only line of a file; the file keeps them."""
    before = (
        '{"env": {"ANTHROPIC_API_KEY": "sk-canary\\"x", "HTTPS_PROXY": "http://me:canary@h:1", '
        '"ANTHROPIC_CUSTOM_HEADERS": "a: canary", "MAX_THINKING_TOKENS": "9"}}'
    )
    after, _ = apply(before, OURS)
    shown = diff(Path("/s.json"), before, after)

    assert "canary" in after
    assert "canary" not in shown
    assert '"ANTHROPIC_API_KEY": "…"' in shown
    assert '"HTTPS_PROXY": "http://…@h:1"' in shown
    assert '"MAX_THINKING_TOKENS": "9"' in shown
    assert [line[:1] for line in shown.splitlines()[3:]] == ["-", "+"]


def test_a_diff_shows_no_secret_of_any_spelling() -> None:
    """Of TOML or JSON, whatever stands before or after the word in its name."""
    before = (
        'API_TOKEN = "canary one"\npassword = \'canary\'\n"DB_PASS": "canary",\n'
        '"HEADERS_X": "Authorization: Bearer canary",\n"x": "Basic canary"\n'
        'token_url = "https://id.example.com"\n'
    )
    shown = diff(Path("/s"), before, before + "x = 1\n") + diff(Path("/s"), before, "")

    assert "canary" not in shown
    assert 'API_TOKEN = "…"' in shown
    assert 'token_url = "https://id.example.com"' in shown


def test_a_diff_shows_no_line_of_a_secret_with_several() -> None:
    """Its name is not among the lines around the change."""
    before = 'private_key = """\n' + "canary\n" * 9 + '"""\n'
    shown = diff(Path("/s"), before, before.replace('\n"""\n', '\nmore canary\n"""\ny = 1\n'))

    assert "canary" not in shown
    assert "private_key" not in shown
    assert "+y = 1" in shown


@pytest.mark.parametrize("turned", [False, True], ids=["renamed", "named"])
def test_a_diff_shows_no_line_that_is_secret_in_one_of_the_two(turned: bool) -> None:
    """The name above it changes to one, or from one, that says nothing of a secret."""
    texts = ["password: |\n  canary one\n  canary two\n", "passwd_hint_name: |\n  canary one\n"]
    before, after = reversed(texts) if turned else texts
    shown = diff(Path("/s"), before, after)

    assert "canary" not in shown
    assert "passwd_hint_name: |" in shown
