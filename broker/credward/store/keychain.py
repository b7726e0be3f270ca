"""Reads one item of the operating system's keychain; runs only in its own worker.

Trusts only backends of `keyring` that really seal, and never rewrites an item. The deadline of the
worker ends the wait for a prompt that nobody answers.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from credward.errors import BrokerError, Kind
from credward.providers.provider import Io, ProviderRequest
from credward.settings.keychain import Settings
from credward.store.kek import new_key
from credward.tokens import Secret, Token

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

__all__ = ["KeychainProvider"]

# Exactly these classes: others keep plain text (keyrings.alt), keep nothing (null, fail) or ask on
# a terminal without a user. For each, how its owner opens it.
_GNOME = "log in to the desktop, or run gnome-keyring-daemon --unlock"
_ALLOWED = {
    "keyring.backends.SecretService.Keyring": _GNOME,
    "keyring.backends.libsecret.Keyring": _GNOME,
    "keyring.backends.kwallet.DBusKeyring": "run kwalletmanager5 and open the wallet",
    "keyring.backends.kwallet.DBusKeyringKWallet4": "run kwalletmanager and open the wallet",
    "keyring.backends.macOS.Keyring": "run security unlock-keychain",
    "keyring.backends.Windows.WinVaultKeyring": "log in again",
}
_CHAINER = "keyring.backends.chainer.ChainerBackend"
# Exceptions for a prompt that was not answered with yes, by class name, because each class exists
# on one system only.
_LOCKED = {"KeyringLocked", "LockedException", "PromptDismissedException", "KeychainDenied"}


class KeychainProvider:
    """Hands out the text of an item as a token of kind `api-key`."""

    def mint(self, token_request: ProviderRequest, io: Io) -> Token:
        """Read the item; make it if the settings say so and there is none.

        Raise `store-locked` with the command that unlocks it, `fix-configuration` if no keychain
        answers or the item is missing.
        """
        settings = token_request.settings
        assert isinstance(settings, Settings)
        item = _Item(token_request.credential, settings, _find_keychain(token_request, io))
        text = item.read()
        if text is None and settings.create:
            text = item.create()
        if not text:
            raise _refused(
                token_request.credential,
                f"{item} is {'missing' if text is None else 'empty'}",
                "store the secret there",
            )
        return Token(secret=Secret(text), kind="api-key", issued_at=io.now(), expires_at=None)


class _Item:
    """One item of one keychain; all failures are `BrokerError`."""

    def __init__(self, name: str, settings: Settings, keychain: KeyringBackend) -> None:
        self._name = name
        self._service = settings.service
        self._account = settings.account
        self._keychain = keychain

    def __str__(self) -> str:
        return f'keychain item "{self._service}" of "{self._account}"'

    def read(self) -> str | None:
        try:
            return self._keychain.get_password(self._service, self._account)
        except Exception as error:
            raise self._failure(error, "read") from error

    def create(self) -> str:
        """Make the item, and trust only what can be read back."""
        text = new_key().decode("ascii")
        try:
            self._keychain.set_password(self._service, self._account, text)
        except Exception as error:
            raise self._failure(error, "made") from error
        if self.read() != text:
            raise _refused(
                self._name, f"{self} is not kept by the keychain", "set store.key_file instead"
            )
        return text

    def _failure(self, error: Exception, done: str) -> BrokerError:
        """Return the meaning of *error*; its text may come from the item and is left out."""
        if type(error).__name__ in _LOCKED:
            remedy = _ALLOWED[_class_of(self._keychain)]
            return BrokerError(
                Kind.STORE_LOCKED,
                f'"{self._name}" waits for the keychain, which is locked: {remedy}',
            )
        if isinstance(error, UnicodeDecodeError):
            return _refused(self._name, f"{self} is not text", "store the secret there as text")
        return _refused(
            self._name,
            f"{self} cannot be {done} ({type(error).__name__})",
            "set store.key_file, or check the keychain's log",
        )


def _find_keychain(token_request: ProviderRequest, io: Io) -> KeyringBackend:
    """Return the first trusted backend that `keyring` would use."""
    import keyring  # noqa: PLC0415 - 90 ms, and it looks for backends at once

    name = token_request.credential
    try:
        found = list(_look_through(keyring.get_keyring()))
    except Exception as error:
        # A configuration file of keyring may name a missing class.
        raise _refused(
            name,
            f"finds no keychain ({type(error).__name__} in keyring)",
            "correct keyringrc.cfg, or set store.key_file",
        ) from error
    for backend in found:
        if _class_of(backend) in _ALLOWED:
            return backend
    refused = [each for each in map(_class_of, found) if each != "keyring.backends.fail.Keyring"]
    problem = "finds no keychain that seals"
    if sys.platform == "linux" and not _has_bus(io):
        problem += ", there is no D-Bus session"
    if refused:
        problem += f" (refused: {', '.join(refused)})"
    raise _refused(name, problem, "start one, or set store.key_file")


def _look_through(backend: KeyringBackend) -> Iterator[KeyringBackend]:
    if _class_of(backend) == _CHAINER:
        # A property of the class that lists the chained backends in order of use.
        yield from getattr(backend, "backends", ())
    else:
        yield backend


def _class_of(backend: KeyringBackend) -> str:
    """Return the full name of exactly this class: a subclass of a trusted one is not trusted."""
    return f"{type(backend).__module__}.{type(backend).__qualname__}"


def _has_bus(io: Io) -> bool:
    environ = io.environment()
    runtime = environ.get("XDG_RUNTIME_DIR")
    return "DBUS_SESSION_BUS_ADDRESS" in environ or bool(
        runtime and (Path(runtime) / "bus").exists()
    )


def _refused(name: str, problem: str, remedy: str) -> BrokerError:
    return BrokerError(Kind.FIX_CONFIGURATION, f'"{name}" {problem}: {remedy}')
