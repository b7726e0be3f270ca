"""Where the key of the store comes from: a key file, systemd, the keychain, a human, memory.

Each source gives 32 bytes under which `sealed` wraps the key-encryption key. A worker reads the
keychain (`keychain`) and passes the key to here; `passphrases` stretches a passphrase.
"""

from __future__ import annotations

import base64
import binascii
import errno
import os
import stat
from pathlib import Path
from typing import Protocol

from credward.errors import BrokerError, Kind
from credward.named_files import opened
from credward.store.files import replace
from credward.store.sealed import SourceKind

__all__ = [
    "CREDENTIAL",
    "KeyFileSource",
    "KeySource",
    "KeychainSource",
    "MemorySource",
    "PassphraseSource",
    "SystemdSource",
    "decode_key",
    "new_key",
]

# The name of the credential in a unit: LoadCredentialEncrypted=credward.store-key:…
CREDENTIAL = "credward.store-key"
KEY_SIZE = 32
_MAX_FILE = 4096


class KeySource(Protocol):
    """One source of the store's key."""

    @property
    def kind(self) -> SourceKind:
        """Return its name in configuration and file."""
        ...

    def key(self, *, create: bool) -> bytearray | None:
        """Return the 32 bytes, which the caller wipes; None if a human must type a passphrase.

        *create*: there is no store yet, so a missing key may be made. Raise `fix-configuration` if
        the key is missing, unreadable, damaged or open to others.
        """
        ...

    def describe(self) -> str:
        """Return its description for status."""
        ...


def decode_key(text: bytes | bytearray) -> bytearray | None:
    """Return the 32 bytes that *text* holds in base64, else None."""
    try:
        key = bytearray(base64.b64decode(text.strip(), validate=True))
    except (binascii.Error, ValueError):
        return None
    return key if len(key) == KEY_SIZE else None


def new_key() -> bytearray:
    """Return the text of a new key: 32 random bytes in base64."""
    return bytearray(base64.b64encode(os.urandom(KEY_SIZE)))


class KeyFileSource:
    """A file of mode 0600 with 32 bytes in base64, made together with the store."""

    kind: SourceKind = "key_file"

    def __init__(self, path: Path) -> None:
        self._path = path

    def key(self, *, create: bool) -> bytearray | None:
        """Return the key in the file, made if *create* says so and there is none."""
        try:
            if (text := _read_key_file(self._path, self.describe())) is None:
                text = _create_key_file(self._path) if create else None
        except OSError as error:
            raise _refused(
                f"{self.describe()} cannot be read or made ({error.strerror})",
                "correct store.key_file or the permissions of its directory",
            ) from error
        if text is None:
            raise _refused(
                f"{self.describe()} is gone",
                "restore it, because the store opens with no other key; without a copy, move "
                "store.sealed and store.sealed.last out of the state directory and log in again",
            )
        if (key := decode_key(text)) is None:
            raise _refused(
                f"{self.describe()} is damaged (32 bytes in base64 are expected)", "restore it"
            )
        return key

    def describe(self) -> str:
        """Return the path."""
        return f"key file {self._path}"


class SystemdSource:
    """A credential that the service manager decrypted for the unit (systemd.exec(5)).

    *directory* is what CREDENTIALS_DIRECTORY says. The content is 32 bytes, bare or in base64.
    """

    kind: SourceKind = "systemd"

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory

    def key(self, *, create: bool) -> bytearray | None:  # noqa: ARG002 - systemd-creds makes it
        """Return the key in the credential; only the administrator can make one."""
        remedy = f"give the unit LoadCredentialEncrypted={CREDENTIAL}"
        if self._directory is None:
            raise _refused("CREDENTIALS_DIRECTORY is not set, so there is no store key", remedy)
        try:
            with opened(self._directory / CREDENTIAL) as descriptor:
                found = os.fstat(descriptor)
                text = os.read(descriptor, _MAX_FILE)
        except OSError as error:
            raise _refused(
                f"{self.describe()} cannot be read ({error.strerror})", remedy
            ) from error
        # The manager makes it readable for the unit by owner or by ACL, which looks like group
        # access.
        if found.st_mode & 0o007 or found.st_uid not in {0, os.geteuid()}:
            raise _refused(f"{self.describe()} is open to others", remedy)
        key = bytearray(text) if len(text) == KEY_SIZE else decode_key(text)
        if key is None:
            raise _refused(f"{self.describe()} is not 32 bytes, bare or in base64", remedy)
        return key

    def describe(self) -> str:
        """Return the name of the credential."""
        return f"systemd credential {CREDENTIAL}"


class KeychainSource:
    """An item of the operating system's keychain, as a worker read it: *text* is base64."""

    kind: SourceKind = "keychain"

    def __init__(self, text: bytes | bytearray, *, service: str, account: str) -> None:
        self._text = bytearray(text)
        self._service = service
        self._account = account

    def key(self, *, create: bool) -> bytearray | None:  # noqa: ARG002 - the worker made it
        """Return the key that the item held when it was read."""
        if (key := decode_key(self._text)) is None:
            raise _refused(
                f"{self.describe()} is not 32 bytes in base64",
                "restore the item, or name another one",
            )
        return key

    def describe(self) -> str:
        """Return which item it is."""
        return f'keychain item "{self._service}" of "{self._account}"'


class PassphraseSource:
    """A human who types a passphrase: the store is locked until then."""

    kind: SourceKind = "passphrase"

    def key(self, *, create: bool) -> bytearray | None:  # noqa: ARG002 - made of the passphrase
        """Return None: `Store.unlock` gets the passphrase."""
        return None

    def describe(self) -> str:
        """Return the word."""
        return "passphrase"


class MemorySource:
    """A key that lives and dies with the process, so that the store never touches the disk."""

    kind: SourceKind = "memory"

    def __init__(self) -> None:
        self._key = os.urandom(KEY_SIZE)

    def key(self, *, create: bool) -> bytearray | None:  # noqa: ARG002 - always there
        """Return the key of this process."""
        return bytearray(self._key)

    def describe(self) -> str:
        """Return what that means for grants."""
        return "memory (grants end with the daemon)"


def _read_key_file(path: Path, what: str) -> bytes | None:
    try:
        with opened(path, follow=False) as descriptor:
            found = os.fstat(descriptor)
            if found.st_uid != os.geteuid():
                raise _refused(f"{what} belongs to uid {found.st_uid}", "correct store.key_file")
            if stat.S_IMODE(found.st_mode) & 0o177:
                raise _refused(f"{what} does not have mode 0600", f"run chmod 0600 {path}")
            return os.read(descriptor, _MAX_FILE)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise _refused(f"{what} is a link", "name the file itself") from error
        raise


def _create_key_file(path: Path) -> bytes:
    """Make the file, complete and durable or not at all; never replace another file."""
    text = bytes(new_key()) + b"\n"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(path, text, absent=True)
    return text


def _refused(problem: str, remedy: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f"{problem}: {remedy}")
