"""Where the key comes from, source by source; what all of them keep to is in the contract suite."""

from __future__ import annotations

import base64
import os

import pytest

from credward.errors import BrokerError, Kind
from credward.store.kek import (
    CREDENTIAL,
    KeychainSource,
    KeyFileSource,
    MemorySource,
    PassphraseSource,
    SystemdSource,
    decode_key,
    new_key,
)

KEY = bytes(range(32))
TEXT = base64.b64encode(KEY)


def refusal(source, *, create=False):
    """Return how the source refuses."""
    with pytest.raises(BrokerError) as caught:
        source.key(create=create)
    assert caught.value.kind is Kind.FIX_CONFIGURATION
    assert "\n" not in caught.value.message
    assert TEXT.decode() not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (TEXT, KEY),
        (TEXT + b"\n", KEY),
        (bytearray(TEXT), KEY),
        (TEXT[:-4], None),
        (TEXT + TEXT, None),
        (KEY, None),
        (b"", None),
        (b"not base64 at all, by any reading", None),
        ("\N{EN DASH}".encode() * 10, None),
    ],
)
def test_a_key_is_32_bytes_in_base64(text, key):
    """And nothing near it."""
    assert decode_key(text) == key


def test_new_keys_differ():
    """And can be read back."""
    assert decode_key(new_key()) not in (None, decode_key(new_key()))


def test_a_key_file_is_made_private_and_read_again(tmp_path):
    """0600 in a directory 0700, whatever the umask; the same key ever after."""
    path = tmp_path / "a" / "b" / "store.key"
    before = os.umask(0)
    try:
        key = KeyFileSource(path).key(create=True)
    finally:
        os.umask(before)

    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert decode_key(path.read_bytes()) == key
    assert KeyFileSource(path).key(create=False) == key
    assert KeyFileSource(path).key(create=True) == key
    assert os.listdir(path.parent) == ["store.key"]


def test_what_a_kill_left_behind_does_not_hold_it_up(tmp_path):
    """Half a key under its temporary name is overwritten."""
    path = tmp_path / "store.key"
    (tmp_path / "store.key.new").write_bytes(b"half")

    assert KeyFileSource(path).key(create=True) is not None
    assert os.listdir(tmp_path) == ["store.key"]


def test_a_key_file_that_is_gone_is_not_made_again(tmp_path):
    """The store that it opened is still there."""
    assert "is gone: restore it" in refusal(KeyFileSource(tmp_path / "store.key"))
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o700, 0o666])
def test_a_key_file_of_another_mode_is_refused(tmp_path, mode):
    """With the command that helps; it is not changed behind anybody's back."""
    path = tmp_path / "store.key"
    path.write_bytes(TEXT)
    path.chmod(mode)

    assert f"run chmod 0600 {path}" in refusal(KeyFileSource(path))
    assert path.stat().st_mode & 0o777 == mode


def test_a_key_file_may_be_read_only(tmp_path):
    """0400 is narrower still."""
    path = tmp_path / "store.key"
    path.write_bytes(TEXT)
    path.chmod(0o400)

    assert KeyFileSource(path).key(create=False) == KEY


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_file_of_somebody_else_is_refused(tmp_path):
    """Whoever owns it can read it and change it."""
    path = tmp_path / "store.key"
    path.write_bytes(TEXT)
    path.chmod(0o600)
    os.chown(path, 12345, -1)

    assert "belongs to uid 12345" in refusal(KeyFileSource(path))


@pytest.mark.parametrize("content", [b"", TEXT[:-4], KEY, b"x" * 5000])
def test_a_damaged_key_file_is_never_replaced(tmp_path, content):
    """A new key would open nothing."""
    path = tmp_path / "store.key"
    path.write_bytes(content)
    path.chmod(0o600)

    assert "is damaged" in refusal(KeyFileSource(path), create=True)
    assert path.read_bytes() == content


def test_links_pipes_and_directories_are_no_key_files(tmp_path):
    """And none of them hangs."""
    (tmp_path / "real").write_bytes(TEXT)
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir()

    assert "is a link" in refusal(KeyFileSource(tmp_path / "link"))
    assert "not a regular file" in refusal(KeyFileSource(tmp_path / "pipe"))
    assert "not a regular file" in refusal(KeyFileSource(tmp_path / "directory"))


def test_a_key_file_that_cannot_be_made_says_why(tmp_path):
    """Its directory is a file."""
    (tmp_path / "file").write_text("")

    shown = refusal(KeyFileSource(tmp_path / "file" / "store.key"), create=True)

    assert "cannot be read or made (Not a directory)" in shown


@pytest.mark.parametrize("content", [KEY, TEXT, TEXT + b"\n"])
def test_a_systemd_credential_is_read(tmp_path, content):
    """Bare or in base64, at the mode that the manager gives."""
    (tmp_path / CREDENTIAL).write_bytes(content)
    (tmp_path / CREDENTIAL).chmod(0o440)

    assert SystemdSource(tmp_path).key(create=False) == KEY


def test_a_systemd_credential_that_is_no_key_is_refused(tmp_path):
    """Not set, not there, not a key, open to all: each with the line that the unit needs."""
    path = tmp_path / CREDENTIAL
    assert "CREDENTIALS_DIRECTORY is not set" in refusal(SystemdSource(None))
    assert "No such file" in refusal(SystemdSource(tmp_path), create=True)
    path.write_bytes(b"short")
    path.chmod(0o400)
    assert "is not 32 bytes" in refusal(SystemdSource(tmp_path))
    path.write_bytes(KEY)
    path.chmod(0o444)
    shown = refusal(SystemdSource(tmp_path))
    assert "is open to others" in shown
    assert f"LoadCredentialEncrypted={CREDENTIAL}" in shown


def test_the_keychain_item_is_decoded():
    """Whatever else lies under that name is refused without showing it."""
    source = KeychainSource(TEXT, service="credward", account="store-key")
    assert source.key(create=False) == KEY
    assert source.describe() == 'keychain item "credward" of "store-key"'

    shown = refusal(KeychainSource(b"somebody's password", service="s", account="a"))
    assert "password" not in shown


def test_memory_lives_with_the_process():
    """One key for one source, another for the next; handing it out gives a copy to wipe."""
    source = MemorySource()
    key = source.key(create=True)
    assert key is not None
    key[:] = bytes(32)

    assert source.key(create=False) not in (None, key)
    assert source.key(create=False) != MemorySource().key(create=False)


def test_a_passphrase_has_no_key_of_its_own():
    """A human has it."""
    assert PassphraseSource().key(create=True) is None
